"""A load second by second, as a page draws it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .load import Load
from .sample import Sample
from .stats import percentile_of


class Second(NamedTuple):
    """The requests that were due in one second of a load.

    `t`: the start of the second, in seconds since the start of the load. Latencies are in seconds,
    of right answers, from the intended time; None where there was no right answer.
    """

    t: int
    ok: int
    failed: int
    p50: float | None
    p90: float | None
    p99: float | None


@dataclass(frozen=True)
class LoadPhase:
    """A finished load: offered requests per second, its length in seconds, and its timeline."""

    name: str
    rate: float
    seconds: float
    timeline: Sequence[Second]


def by_second(samples: Sequence[Sample], seconds: float) -> list[Second]:
    """Every second of a load of `seconds`, also those in which no request was due."""
    due: defaultdict[int, list[Sample]] = defaultdict(list)
    for sample in samples:
        due[int(sample.intended)].append(sample)
    last = max(math.ceil(seconds), max(due, default=-1) + 1)
    return [_make_second(t, due[t]) for t in range(last)]


def _make_second(t: int, samples: Sequence[Sample]) -> Second:
    times = sorted(sample.latency for sample in samples if sample.ok)
    p50, p90, p99 = (percentile_of(times, share) if times else None for share in (0.5, 0.9, 0.99))
    return Second(t, len(times), len(samples) - len(times), p50, p90, p99)


def phase_of(name: str, load: Load) -> LoadPhase:
    """Make the timeline of a finished load."""
    return LoadPhase(name, load.rate, load.seconds, by_second(load.samples, load.seconds))
