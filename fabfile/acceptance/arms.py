"""Whether a row asked again comes faster than one that no cache can have.

A film's row says nothing of the time at which it was read, so a proxy that keeps it for a second
and writes a Date of its own leaves no trace in the answer. It leaves one in the time: during the
steady load each of R6-R8 is asked in three ways in turn, the same row again and again, the same row
with a unique query, and any other row.
"""

from __future__ import annotations

import random
import secrets
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

from ..traffic.calls import Range, single_call
from ..traffic.client import Request
from ..traffic.sample import Sample
from ..traffic.stats import percentile_of
from .freshness import Fresh, Freshness

REPEAT, UNIQUE, NOVEL = ARMS = ("repeat", "unique", "novel")

LEAST = 12
"""Right answers that each way needs."""

CACHED_MEDIAN_RATIO, CACHED_WINS = 0.6, 0.9
"""An endpoint counts as cached if the median of its repeats is below this share of the others'
median, and a repeat is faster in this share of all pairs. By chance: 1 in 10 000."""

FAST_RATIO, FAST_OFTEN, FAST_SELDOM = 0.7, 0.4, 0.1
"""A repeat is fast if it takes less than this share of the others' minimum. With a share of
FAST_OFTEN fast repeats the endpoint counts as cached for a short time (eight of twenty by chance:
1 in 6 000). A proof of freshness allows at most FAST_SELDOM."""

AS_LONG = 0.75
"""From this share of the others' median a repeat takes as long as they do."""

MANY = 1000
"""Rows from which another row is one that nobody has just asked for."""


def in_three_ways(endpoint: str, known: Range, rng: random.Random) -> Callable[[], Request]:
    """A maker of requests for single rows of an endpoint, a third in each way."""
    repeated = rng.randint(1, known.top)
    ways: list[str] = []

    def make() -> Request:
        if not ways:
            ways.extend(rng.sample(ARMS, len(ARMS)))
        way = ways.pop()
        number = rng.randint(1, known.top) if way == NOVEL else repeated
        call = single_call(endpoint, number, named=known.named)
        query = f"?fresh={secrets.token_hex(8)}" if way == UNIQUE else ""
        return call._replace(path=call.path + query, arm=way)

    return make


def compare_ways(samples: Sequence[Sample], rows: int) -> Freshness | None:
    """What the times of the three ways say of an endpoint of so many rows; None if they say
    nothing."""
    repeat, unique, novel = (
        sorted(s.done - s.sent for s in samples if s.ok and s.arm == arm) for arm in ARMS
    )
    if min(map(len, (repeat, unique, novel))) < LEAST:
        return None
    again, own, other = (percentile_of(times, 0.5) for times in (repeat, unique, novel))
    told = (
        f"{again * 1000:.1f} ms, with a query of its own {own * 1000:.1f} ms, another row"
        f" {other * 1000:.1f} ms"
    )
    least = min(unique[0], novel[0]) if rows >= MANY else unique[0]
    quick = sum(seconds < FAST_RATIO * least for seconds in repeat) / len(repeat)
    if quick >= FAST_OFTEN or (
        again < CACHED_MEDIAN_RATIO * own and _share_faster(repeat, unique) >= CACHED_WINS
    ):
        return Freshness(Fresh.CACHED, f"a row asked again comes too fast: {told}")
    if again > AS_LONG * max(own, other) and quick < FAST_SELDOM and rows >= MANY:
        return Freshness(Fresh.PROVEN, f"a row asked again takes as long as new ones: {told}")
    return None


def _share_faster(some: Sequence[float], others: Sequence[float]) -> float:
    """How often one of `some` is the faster of two, drawn by chance from each (both sorted); 0.5
    when they are alike."""
    wins = sum(
        len(others)
        - bisect_right(others, value)
        + (bisect_right(others, value) - bisect_left(others, value)) / 2
        for value in some
    )
    return wins / (len(some) * len(others))
