"""Judge by time alone whether single rows come from a cache.

A row does not show when it was read. If a proxy keeps the row for a second and writes a Date of its
own, the answer holds no trace of it, but the cached answer is faster. So the steady load requests
each kind of row in three ways in equal shares: the same row again and again ("repeat"), the
same row with a unique query ("unique"), and any other row ("novel").
"""

from __future__ import annotations

import secrets
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from ..settings.endpoint import Endpoint
from ..settings.service import Service
from ..traffic.calls import CallMaker, RequestMaker
from ..traffic.client import Request
from ..traffic.sample import Sample
from ..traffic.stats import percentile_of
from .freshness import Fresh, Freshness

REPEAT, UNIQUE, NOVEL = WAYS = ("repeat", "unique", "novel")

MIN_SAMPLES = 12
"""Right answers needed in each way. With fewer, chance could reach the bounds below."""

CACHED_MEDIAN_RATIO = 0.6
CACHED_WINS = 0.9
"""An endpoint counts as cached if the median of its repeats is below this ratio of the unique
answers' median, and a repeat is faster in this share of all pairs. If both ways are equally fast,
this happens in 1 of 10 000 runs."""

FAST_RATIO = 0.7
"""A repeat is fast if it takes less than this share of the fastest other answer."""

FAST_SHARE_CACHED = 0.4
"""With this share of fast repeats an endpoint counts as cached for a short time. If all ways are
equally fast, eight fast repeats of twenty happen in 1 of 6 000 runs."""

FAST_SHARE_FRESH = 0.1
"""A proof of freshness allows fewer fast repeats than this share."""

FRESH_MEDIAN_RATIO = 0.75
"""A proof of freshness needs a median of repeats above this share of the slower other median."""

MANY_ROWS = 1000
"""A table of fewer rows may be cached as a whole, so a novel row proves nothing there."""


def is_timed(program: Service, endpoint: Endpoint) -> bool:
    """Whether the times of an endpoint can show a cache: it reads a row by its number, and must not
    come from a cache."""
    rule = program.values.get(endpoint.value)
    reads = endpoint.request_method == "GET" and endpoint.never_cached
    return reads and rule is not None and rule.last > rule.first


def repeat_unique_novel(calls: CallMaker, endpoint: Endpoint) -> RequestMaker:
    """Return a function that makes requests for single rows, a third of them in each way."""
    repeated_row = calls.make(endpoint)
    next_ways: list[str] = []

    def make_request() -> Request:
        if not next_ways:
            # Shuffled in threes, so that no way falls into step with a periodic disturbance.
            next_ways.extend(calls.rng.sample(WAYS, len(WAYS)))
        way = next_ways.pop()
        request = calls.make(endpoint) if way == NOVEL else repeated_row
        if way == UNIQUE:
            request = request.with_query(f"fresh={secrets.token_hex(8)}")
        return request._replace(arm=way)

    return make_request


def judge_timing(samples: Sequence[Sample], rows: int) -> Freshness | None:
    """Compare the times of the three ways for an endpoint whose table has `rows` rows.

    Returns:
        The judgement, or None if the times allow none.
    """
    repeat, unique, novel = (_sorted_times(samples, way) for way in WAYS)
    if min(len(repeat), len(unique), len(novel)) < MIN_SAMPLES:
        return None
    repeat_median, unique_median, novel_median = (
        percentile_of(times, 0.5) for times in (repeat, unique, novel)
    )
    medians = (
        f"{repeat_median * 1000:.1f} ms, with a unique query {unique_median * 1000:.1f} ms,"
        f" another row {novel_median * 1000:.1f} ms"
    )
    many_rows = rows >= MANY_ROWS
    fastest_other = min(unique[0], novel[0]) if many_rows else unique[0]
    fast_share = sum(time < FAST_RATIO * fastest_other for time in repeat) / len(repeat)
    clearly_faster = (
        repeat_median < CACHED_MEDIAN_RATIO * unique_median
        and _share_of_wins(repeat, unique) >= CACHED_WINS
    )
    if clearly_faster or fast_share >= FAST_SHARE_CACHED:
        return Freshness(Fresh.CACHED, f"a repeated row comes too fast: {medians}")
    as_slow = repeat_median > FRESH_MEDIAN_RATIO * max(unique_median, novel_median)
    if as_slow and fast_share < FAST_SHARE_FRESH and many_rows:
        return Freshness(Fresh.PROVEN, f"a repeated row takes as long as a new one: {medians}")
    return None


def _sorted_times(samples: Sequence[Sample], way: str) -> list[float]:
    return sorted(s.done - s.sent for s in samples if s.ok and s.arm == way)


def _share_of_wins(times: Sequence[float], others: Sequence[float]) -> float:
    """The share of all pairs in which the value of `times` is the smaller one; both are sorted.

    A tie counts half, so the share is 0.5 if both are alike (the statistic of a Mann-Whitney test).
    """
    wins = 0.0
    for time in times:
        first_not_smaller, first_larger = bisect_left(others, time), bisect_right(others, time)
        larger, equal = len(others) - first_larger, first_larger - first_not_smaller
        wins += larger + equal / 2
    return wins / (len(times) * len(others))
