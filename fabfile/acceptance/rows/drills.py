"""The rows of node loss and recovery; each verdict is a pure function of the drills' results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...engine.errors import RunbookError
from ...settings.requirements import NODE_LOSS, RECOVERY, RECOVERY_SECONDS, Requirement
from ...traffic.stats import upper_bound
from ..row import Figures, Row, Verdict, judge_figures, not_tried

if TYPE_CHECKING:
    from ...drills.result import DrillResult

NEXT = "fab drill.history, then the drill that failed, alone: fab drill.NAME"


def drill_rows(
    drills: Sequence[DrillResult], why: str, error: RunbookError | None = None
) -> list[Row]:
    """R1 and R2; `why` they were not tried, when no drill was wanted; what kept the drills from
    being made, if it did."""
    if error:
        seen = f"could not be tried: {error.problem}"
        failed = Verdict.FAILED
        return [Row(what, failed, seen, error.next) for what in (NODE_LOSS, RECOVERY)]
    if not drills:
        return [not_tried(NODE_LOSS, why), not_tried(RECOVERY, why)]
    return [loss_row(drills), back_row(drills)]


def _drills_for(
    requirement: Requirement, drills: Sequence[DrillResult]
) -> tuple[list[DrillResult], str]:
    """The drills that tried something for a requirement, and why there are none, if so."""
    mine = [drill for drill in drills if requirement.id in drill.requirements]
    tried = [drill for drill in mine if drill.verdict != Verdict.NOT_TRIED]
    reasons = (
        "; ".join(dict.fromkeys(f"{drill.name}: {drill.why}" for drill in mine))
        or f"no drill speaks for {requirement.id}"
    )
    return tried, "" if tried else reasons


def loss_row(drills: Sequence[DrillResult]) -> Row:
    """R1: what users saw while nodes were lost; in each drill, whose own bounds are narrower,
    and in all together."""
    tried, why = _drills_for(NODE_LOSS, drills)
    if not tried:
        return not_tried(NODE_LOSS, why)
    figures, share = _sum_figures(tried), NODE_LOSS.error_share
    verdict, why = judge_figures(figures, share, timed=False, proof=True)
    failed = [
        drill
        for drill in tried
        if drill.verdict == Verdict.FAILED or drill.failures > share * drill.requests
    ]
    notes = [", ".join(f"{drill.name}: {_describe_drill(drill)}" for drill in tried)]
    if failed:
        why = "; ".join(
            f"{drill.name}: {_first_broken(drill.why) or _describe_drill(drill)}"
            for drill in failed
        )
        verdict = Verdict.FAILED
    next = "" if verdict is Verdict.HELD else NEXT
    return Row(NODE_LOSS, verdict, why, next, figures=figures, share=share, notes=notes)


def _first_broken(why: str) -> str:
    """The first of the bounds that a drill broke; all are in its own table."""
    first, _, more = why.partition("; ")
    return f"{first}, and {more.count('; ') + 1} more" if more else first


def _describe_drill(drill: DrillResult) -> str:
    return f"{drill.failures} of {drill.requests} failed, longest gap {drill.gap_s:.1f} s"


def _sum_figures(drills: Sequence[DrillResult]) -> Figures:
    """Requests and errors of all drills together; a drill keeps no single latencies."""
    kinds: Counter[str] = Counter()
    for drill in drills:
        for told in drill.failed.values():
            kinds.update(told)
    n, errors = sum(drill.requests for drill in drills), kinds.total()
    return Figures(n, errors, dict(kinds.most_common()), error_upper=upper_bound(errors, n))


def back_row(drills: Sequence[DrillResult]) -> Row:
    """R2: the node was back in time in every drill. Only a time that was taken speaks for it."""
    tried, why = _drills_for(RECOVERY, drills)
    if not tried:
        return not_tried(RECOVERY, why)
    wrong, unknown = [], []
    for drill in tried:
        if drill.recover_s is None and drill.verdict == Verdict.FAILED:
            wrong.append(f"{drill.name}: not back by itself")
        elif drill.recover_s is None:
            unknown.append(f"{drill.name} took no time of recovery")
        elif not drill.recover_s < RECOVERY_SECONDS:
            wrong.append(f"{drill.name}: back only after {drill.recover_s:.0f} s")
    times = ", ".join(
        f"{drill.name} {drill.recover_s:.1f} s" for drill in tried if drill.recover_s is not None
    )
    notes = [f"back after: {times}"] if times else []
    verdict = Verdict.FAILED if wrong else Verdict.UNPROVEN if unknown else Verdict.HELD
    why = "; ".join(wrong or unknown)
    return Row(RECOVERY, verdict, why, NEXT if why else "", notes=notes)
