"""What a number of samples proves: percentiles, exact bounds for a share, the worst stretch of
time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

CONFIDENCE = 0.95
"""One-sided: of twenty claims made this way at most one is wrong."""

WORST_SECONDS = 10.0
"""Samples that follow each other are alike, so a bad stretch hides in a good minute; it is shown
on its own."""


def percentile_of(sorted_values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0..1) of the values do not exceed; no
    interpolation.

    Raises:
        ValueError: there are no values.
    """
    if not sorted_values:
        raise ValueError("no values, no percentile")
    return sorted_values[max(0, math.ceil(share * len(sorted_values) - 1e-9) - 1)]


def binomial_tail(k: int, n: int, p: float) -> float:
    """P(X <= k) for X ~ Binomial(n, p): how likely it is to see so few by chance. Exact, summed
    in logarithms."""
    if p <= 0 or k >= n:
        return 1.0
    if p >= 1:
        return 0.0
    log_p, log_q, log_n = math.log(p), math.log1p(-p), math.lgamma(n + 1)
    return math.fsum(
        math.exp(log_n - math.lgamma(i + 1) - math.lgamma(n - i + 1) + i * log_p + (n - i) * log_q)
        for i in range(k + 1)
    )


def upper_bound(k: int, n: int, confidence: float = CONFIDENCE) -> float:
    """The Clopper-Pearson one-sided upper bound of a share, k seen of n; 1.0 when nothing was seen
    at all.

    It is the beta quantile B(confidence; k + 1, n - k), found by halving on the binomial tail it
    inverts.
    """
    if n <= 0 or k >= n:
        return 1.0
    low, high = k / n, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if binomial_tail(k, n, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def most_allowed(n: int, share: float, confidence: float = CONFIDENCE) -> int:
    """The most of n that still prove "at most `share`"; -1 when n is too small for any proof."""
    low, high = -1, n
    while high - low > 1:
        middle = (low + high) // 2
        if binomial_tail(middle, n, share) <= 1 - confidence:
            low = middle
        else:
            high = middle
    return low


class Window(NamedTuple):
    """A stretch of the measurement: when it begins (seconds into it) and how it went."""

    start: float
    n: int
    errors: int
    p90: float


def sliding_windows(
    points: Sequence[tuple[float, float]], length: float = WORST_SECONDS
) -> Iterator[Window]:
    """Every stretch of `length` seconds, second by second, of points (intended time, latency;
    inf for an error)."""
    if not points:
        return
    ordered = sorted(points)
    last = ordered[-1][0]
    begin = ordered[0][0]
    while True:
        values = sorted(latency for when, latency in ordered if begin <= when < begin + length)
        if values:
            yield Window(
                begin, len(values), sum(map(math.isinf, values)), percentile_of(values, 0.9)
            )
        begin += 1
        if begin + length > last + 1:
            return


def worst_window(
    points: Sequence[tuple[float, float]], length: float = WORST_SECONDS
) -> Window | None:
    """The stretch with the worst p90, then with the largest share of errors."""
    return max(sliding_windows(points, length), key=lambda w: (w.p90, w.errors / w.n), default=None)


def p90_timeline(
    points: Sequence[tuple[float, float]], buckets: int, seconds: float
) -> list[float | None]:
    """The p90 of each of `buckets` equal parts of a phase of `seconds`; None where nothing was
    sent."""
    parts: list[list[float]] = [[] for _ in range(buckets)]
    for when, latency in points:
        parts[min(buckets - 1, max(0, int(when / seconds * buckets)))].append(latency)
    return [percentile_of(sorted(part), 0.9) if part else None for part in parts]
