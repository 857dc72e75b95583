"""One row of the table: its figures, its verdict, and how errors and latencies are judged."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from enum import StrEnum
from typing import Any

from ..settings.requirements import LATENCY_BOUND, Requirement
from ..traffic.sample import Sample
from ..traffic.stats import (
    Window,
    most_allowed,
    p90_timeline,
    percentile_of,
    upper_bound,
    worst_window,
)
from .freshness import Freshness

BUCKETS = 12
"""Parts of a phase in a row's time line."""


class Verdict(StrEnum):
    """Anything but `held` and `not tried` ends the check with exit code 1."""

    HELD = "held"
    FAILED = "FAILED"
    UNPROVEN = "not proven"
    NOT_TRIED = "not tried"


@dataclass(frozen=True)
class Figures:
    """What a set of samples says; seconds. A percentile is inf where it falls on an error, None
    without samples."""

    n: int = 0
    errors: int = 0
    kinds: Mapping[str, int] = field(default_factory=dict)
    p50: float | None = None
    p75: float | None = None
    p90: float | None = None
    p99: float | None = None
    error_upper: float = 1.0
    slow: int = 0
    slow_upper: float = 1.0
    worst: Window | None = None
    line: Sequence[float | None] = ()

    @classmethod
    def of(cls, samples: Sequence[Sample], seconds: float = 0.0) -> Figures:
        """The figures of samples; with a time line if they are those of a phase of `seconds`."""
        if not samples:
            return cls()
        ordered = sorted(s.latency for s in samples)
        points = [(s.intended, s.latency) for s in samples]
        kinds = Counter(s.error for s in samples if s.error)
        slow = sum(value >= LATENCY_BOUND for value in ordered)
        n, errors = len(samples), kinds.total()
        p50, p75, p90, p99 = (percentile_of(ordered, share) for share in (0.5, 0.75, 0.9, 0.99))
        return cls(
            n=n,
            errors=errors,
            kinds=dict(kinds.most_common()),
            p50=p50,
            p75=p75,
            p90=p90,
            p99=p99,
            error_upper=upper_bound(errors, n),
            slow=slow,
            slow_upper=upper_bound(slow, n),
            worst=worst_window(points) if seconds else None,
            line=p90_timeline(points, BUCKETS, seconds) if seconds else (),
        )


@dataclass(frozen=True)
class Row:
    """The verdict on one requirement, a line of the table.

    Attributes:
        requirement: what was judged.
        verdict: how it came out.
        why: the reason of the verdict.
        next: the command or the place to go on with.
        label: what the line is called, where the requirement's own label will not do.
        figures: what was measured.
        share: the most errors allowed, as a share of 1; None if errors were not judged.
        timed: whether p90 was judged.
        fresh: whether the answers came from a cache, where that was judged.
        notes: remarks for people.
        more: facts for machines only.
    """

    requirement: Requirement
    verdict: Verdict
    why: str = ""
    next: str = ""
    _: KW_ONLY
    label: str = ""
    figures: Figures = Figures()
    share: float | None = None
    timed: bool = False
    fresh: Freshness | None = None
    notes: Sequence[str] = ()
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The requirement's."""
        return self.requirement.id

    @property
    def name(self) -> str:
        """What the line is called."""
        return self.label or self.requirement.label

    @property
    def asked(self) -> str:
        """The bound in short words."""
        return self.requirement.short_bound


def judge_figures(figures: Figures, share: float, timed: bool, proof: bool) -> tuple[Verdict, str]:
    """Errors against `share` (0..1), and p90 against the latency bound if `timed`; with `proof`,
    at 95 % confidence."""
    n, errors = figures.n, figures.errors
    if not n:
        return Verdict.FAILED, "nothing was asked"
    wrong = []
    if errors > share * n:
        kinds = ", ".join(f"{kind} ×{count}" for kind, count in list(figures.kinds.items())[:3])
        wrong.append(f"{errors} of {n} failed ({kinds})")
    if timed and figures.p90 is not None and LATENCY_BOUND <= figures.p90 < math.inf:
        wrong.append(f"p90 is {show_ms(figures.p90)}")
    if wrong:
        return Verdict.FAILED, "; ".join(wrong)
    unproven = []
    if proof and errors > (most := most_allowed(n, share)):
        unproven.append(
            f"{errors} errors of {n}: at most {max(most, 0)} would prove ≤ {share * 100:.0f} %"
        )
    if proof and timed and figures.slow > (most := most_allowed(n, 0.1)):
        unproven.append(
            f"{figures.slow} of {n} took 400 ms or more: at most {max(most, 0)} would prove p90 <"
            " 400 ms"
        )
    return (Verdict.UNPROVEN, "; ".join(unproven)) if unproven else (Verdict.HELD, "")


def not_tried(requirement: Requirement, why: str, label: str = "") -> Row:
    """A row that this run cannot judge; it is shown, and it is no failure."""
    return Row(requirement, Verdict.NOT_TRIED, why, label=label)


def show_ms(seconds: float) -> str:
    """Milliseconds for people; an endless latency is an error."""
    return "an error" if math.isinf(seconds) else f"{seconds * 1000:,.0f} ms".replace(",", " ")
