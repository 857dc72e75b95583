"""A row of the result: its figures, its verdict, and how errors and latencies are judged."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from enum import StrEnum
from typing import Any

from ..settings.requirements import Requirement
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

TREND_PARTS = 12
"""Parts of a phase in a row's p90 trend."""

SLOW_SHARE = 0.1
"""The share of requests that may be slow: the bound is on p90."""


class Verdict(StrEnum):
    """The result of one requirement. Only `held` and `not tried` let the check exit with 0."""

    HELD = "held"
    FAILED = "FAILED"
    UNPROVEN = "not proven"
    NOT_TRIED = "not tried"


@dataclass(frozen=True)
class Figures:
    """Figures of a set of samples. Times are in seconds.

    Attributes:
        n: how many requests were made.
        errors: how many of them failed.
        kinds: how many failed in which way, the most frequent first.
        p50: the median latency. Every percentile is inf if it falls on an error, and None if there
            are no samples.
        p75: the 75th percentile.
        p90: the 90th percentile.
        p99: the 99th percentile.
        error_upper: the upper bound of the share of errors, at 95 % confidence.
        slow: how many requests took as long as the latency bound, or longer, or failed.
        slow_upper: the upper bound of the share of slow requests, at 95 % confidence.
        worst: the worst ten seconds of a phase.
        line: p90 in each part of a phase.
    """

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
    def of(
        cls, samples: Sequence[Sample], seconds: float = 0.0, *, bound: float = math.inf
    ) -> Figures:
        """The figures of samples; with a trend if the samples are a phase of `seconds`. `bound`:
        the latency bound in seconds."""
        if not samples:
            return cls()
        ordered = sorted(sample.latency for sample in samples)
        points = [(sample.intended, sample.latency) for sample in samples]
        kinds = Counter(sample.error for sample in samples if sample.error)
        n, errors = len(samples), kinds.total()
        slow = sum(latency >= bound for latency in ordered)
        return cls(
            n=n,
            errors=errors,
            kinds=dict(kinds.most_common()),
            p50=percentile_of(ordered, 0.5),
            p75=percentile_of(ordered, 0.75),
            p90=percentile_of(ordered, 0.9),
            p99=percentile_of(ordered, 0.99),
            error_upper=upper_bound(errors, n),
            slow=slow,
            slow_upper=upper_bound(slow, n),
            worst=worst_window(points) if seconds else None,
            line=p90_timeline(points, TREND_PARTS, seconds) if seconds else (),
        )


@dataclass(frozen=True)
class Row:
    """The verdict on one requirement.

    Attributes:
        requirement: what was judged.
        verdict: the result.
        why: the reason for the verdict.
        next: the command or place to continue with.
        label: the name of the row, if the requirement's own label does not fit.
        figures: what was measured.
        share: the share of errors that is allowed (0..1); None if errors were not judged.
        p90_bound: seconds that p90 must stay below; None if p90 was not judged.
        fresh: whether the answers came from a cache; None if that was not judged.
        notes: remarks for people.
        more: further figures for the JSON.
    """

    requirement: Requirement
    verdict: Verdict
    why: str = ""
    next: str = ""
    _: KW_ONLY
    label: str = ""
    figures: Figures = Figures()
    share: float | None = None
    p90_bound: float | None = None
    fresh: Freshness | None = None
    notes: Sequence[str] = ()
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The id of the requirement."""
        return self.requirement.id

    @property
    def name(self) -> str:
        """The name of the row."""
        return self.label or self.requirement.label

    @property
    def asked(self) -> str:
        """What the requirement demands, in a few words."""
        return self.requirement.short_bound


def judge_figures(
    figures: Figures, share: float, *, proof: bool, p90_bound: float | None = None
) -> tuple[Verdict, str]:
    """Judge errors, and p90 if it has a bound.

    Args:
        figures: what was measured.
        share: the share of errors that is allowed (0..1).
        proof: whether both must hold at 95 % confidence.
        p90_bound: seconds that p90 must stay below; None if it is not judged.

    Returns:
        The verdict and its reason, which is empty if everything held.
    """
    if not figures.n:
        return Verdict.FAILED, "no request was made"
    if wrong := _broken_bounds(figures, share, p90_bound):
        return Verdict.FAILED, "; ".join(wrong)
    if proof and (unproven := _unproven_bounds(figures, share, p90_bound)):
        return Verdict.UNPROVEN, "; ".join(unproven)
    return Verdict.HELD, ""


def _broken_bounds(figures: Figures, share: float, p90_bound: float | None) -> list[str]:
    wrong = []
    if figures.errors > share * figures.n:
        most_frequent = list(figures.kinds.items())[:3]
        kinds = ", ".join(f"{kind} ×{count}" for kind, count in most_frequent)
        wrong.append(f"{figures.errors} of {figures.n} failed ({kinds})")
    # An infinite p90 is an error, and errors are judged above.
    p90 = figures.p90
    if p90_bound is not None and p90 is not None and p90_bound <= p90 < math.inf:
        wrong.append(f"p90 is {show_ms(p90)}")
    return wrong


def _unproven_bounds(figures: Figures, share: float, p90_bound: float | None) -> list[str]:
    unproven = []
    if figures.errors > (most := most_allowed(figures.n, share)):
        unproven.append(
            f"{figures.errors} errors of {figures.n}: at most {max(most, 0)} would prove"
            f" ≤ {share * 100:.0f} %"
        )
    if p90_bound is not None and figures.slow > (most := most_allowed(figures.n, SLOW_SHARE)):
        bound = show_ms(p90_bound)
        unproven.append(
            f"{figures.slow} of {figures.n} took {bound} or more: at most {max(most, 0)} would"
            f" prove p90 < {bound}"
        )
    return unproven


def not_tried(requirement: Requirement, why: str, label: str = "") -> Row:
    """The row of a requirement that this run cannot judge. It is shown and is no failure."""
    return Row(requirement, Verdict.NOT_TRIED, why, label=label)


def show_ms(seconds: float) -> str:
    """Milliseconds as text; an infinite latency is shown as an error."""
    if math.isinf(seconds):
        return "an error"
    return f"{seconds * 1000:,.0f} ms".replace(",", " ")
