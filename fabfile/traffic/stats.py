"""Statistics of samples: percentiles, exact confidence bounds of a share, the worst window."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

CONFIDENCE = 0.95
"""One-sided: at most one of twenty such claims is wrong."""

WORST_SECONDS = 10.0
"""Length of the worst window. A short bad time disappears in the figures of a good minute, so it is
shown separately."""


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
    """P(X <= k) for X ~ Binomial(n, p): the probability of so few by chance. Exact, summed in
    logarithms."""
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
    """The Clopper-Pearson one-sided upper bound of a share, k of n; 1.0 when n is 0.

    It is the beta quantile B(confidence; k + 1, n - k), found by bisection on the binomial
    tail.
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
    """The highest count of n that still proves "at most `share`"; -1 when n is too small."""
    low, high = -1, n
    while high - low > 1:
        middle = (low + high) // 2
        if binomial_tail(middle, n, share) <= 1 - confidence:
            low = middle
        else:
            high = middle
    return low


class Window(NamedTuple):
    """A part of the measurement: its start (seconds from the begin) and its figures."""

    start: float
    n: int
    errors: int
    p90: float


def sliding_windows(
    points: Sequence[tuple[float, float]], length: float = WORST_SECONDS
) -> Iterator[Window]:
    """Every window of `length` seconds, one per second, over points (intended time, latency; inf
    for a failure)."""
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
    """The window with the worst p90, then with the largest share of errors."""
    return max(sliding_windows(points, length), key=lambda w: (w.p90, w.errors / w.n), default=None)


def p90_timeline(
    points: Sequence[tuple[float, float]], buckets: int, seconds: float
) -> list[float | None]:
    """The p90 of each of `buckets` equal parts of a phase of `seconds`; None where nothing was
    due."""
    parts: list[list[float]] = [[] for _ in range(buckets)]
    for when, latency in points:
        parts[min(buckets - 1, max(0, int(when / seconds * buckets)))].append(latency)
    return [percentile_of(sorted(part), 0.9) if part else None for part in parts]
