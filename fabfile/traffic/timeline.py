"""A load second by second, as a page draws it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .load import Load
from .sample import Sample
from .stats import percentile_of


@dataclass(frozen=True)
class Second:
    """The requests that were due in one second of a load.

    `t`: the start of the second, in seconds since the start of the load. Latencies are in seconds,
    of right answers, from the intended time; None where there was no right answer.
    """

    t: int
    ok: int
    failed: int
    p50: float | None
    p90: float | None
    p99: float | None = None  # results kept from earlier versions have none


@dataclass(frozen=True)
class LoadPhase:
    """A finished load: offered requests per second, its length in seconds, and its timeline."""

    name: str
    rate: float
    seconds: float
    timeline: Sequence[Second]


def split_seconds(samples: Iterable[Sample], seconds: float = 0.0) -> list[Second]:
    """Every second of a load, also those in which no request was due: of the `seconds` that the
    load lasts at least, or until the last sample."""
    due: defaultdict[int, list[Sample]] = defaultdict(list)
    for sample in samples:
        due[int(sample.intended)].append(sample)
    last = max(math.ceil(seconds), max(due, default=-1) + 1)
    return [_make_second(t, due[t]) for t in range(last)]


def _make_second(t: int, samples: Sequence[Sample]) -> Second:
    times = sorted(sample.latency for sample in samples if sample.ok)
    shares = (0.5, 0.9, 0.99)
    p50, p90, p99 = (round(percentile_of(times, s), 6) if times else None for s in shares)
    return Second(t, ok=len(times), failed=len(samples) - len(times), p50=p50, p90=p90, p99=p99)


def phase_of(name: str, load: Load) -> LoadPhase:
    """Make the timeline of a finished load."""
    return LoadPhase(name, load.rate, load.seconds, split_seconds(load.samples, load.seconds))
