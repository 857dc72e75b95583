"""The verdict on an observation. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..settings.load import PromisedLoad
from ..traffic.timeline import split_seconds
from . import figures, rules
from .model import Drill, Observation
from .result import FAILED, HELD, NOT_TRIED, Bound, DrillResult, Mark


def not_tried(drill: Drill, load: PromisedLoad, why: str) -> DrillResult:
    """The result of a drill that was not run."""
    return DrillResult(
        drill.name,
        drill.hypothesis,
        drill.requirements,
        rate=drill.rate_of(load),
        verdict=NOT_TRIED,
        why=why,
    )


def judge_drill(
    drill: Drill,
    observed: Observation,
    marks: Sequence[Mark] = (),
    aborted: str = "",
    left: Sequence[str] = (),
) -> DrillResult:
    """The result of a drill that was run."""
    bounds = tuple(rule(observed) for rule in drill.rules)
    broken = [_failed_bound_text(bound) for bound in bounds if not bound.held]
    why = "; ".join(filter(None, [aborted, *broken, *left]))
    return DrillResult(
        drill.name,
        drill.hypothesis,
        drill.requirements,
        rate=drill.rate_of(observed.program.load),
        requests=len(observed.samples),
        failed=figures.count_failed(observed.program, observed.samples),
        gap_s=round(figures.longest_gap(observed.samples, observed.fault), 3),
        detect_s=_round_seconds(rules.detection_seconds(observed)),
        recover_s=_round_seconds(rules.recovery_seconds(observed)),
        budget_share=round(figures.budget_share(observed.program, observed.samples), 3),
        verdict=FAILED if why else HELD,
        why=why,
        bounds=bounds,
        timeline=tuple(split_seconds(observed.samples)),
        marks=tuple(marks),
        lag_s=round(figures.generator_lag(observed.samples), 4),
        left=tuple(left),
    )


def add_times(result: DrillResult, started: float, seconds: float) -> DrillResult:
    """With when it began (seconds since 1970) and how long it took."""
    return replace(result, started=round(started, 1), seconds=round(seconds, 1))


def _failed_bound_text(bound: Bound) -> str:
    return f"{bound.what}: {bound.measured}, allowed {bound.bound}"


def _round_seconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)
