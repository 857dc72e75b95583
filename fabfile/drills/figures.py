"""Figures of samples: failures by endpoint and kind, longest gap, timeline. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from ..settings.requirements import requirement_places
from ..settings.service import Service
from ..traffic.sample import Sample
from ..traffic.stats import percentile_of


def writes_of(program: Service) -> frozenset[str]:
    """The ids of endpoints whose requests must not be executed twice, so they are never retried."""
    return frozenset(one.id for one in program.endpoints if not one.may_repeat)


def count_failed(program: Service, samples: Iterable[Sample]) -> dict[str, dict[str, int]]:
    """How many failed, by endpoint and kind, in the order of the requirements."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for sample in samples:
        if not sample.ok:
            counts[sample.endpoint][sample.error] += 1
    places = requirement_places(program)
    ordered = sorted(counts, key=lambda endpoint: places.get(endpoint, len(places)))
    return {endpoint: dict(counts[endpoint]) for endpoint in ordered}


def longest_gap(samples: Iterable[Sample], since: float = 0.0) -> float:
    """The longest time without a right answer, in seconds. Counted are times that end after
    `since`; the last one ends with the last request."""
    kept = list(samples)
    ends = sorted(sample.done for sample in kept if sample.ok)
    before = max((end for end in ends if end <= since), default=since)
    last = max((sample.intended for sample in kept), default=before)
    points = [before, *(end for end in ends if end > since)]
    quiet = (later - earlier for earlier, later in pairwise(points))
    return max(*quiet, last - points[-1], 0.0)


def budget_share(program: Service, samples: Sequence[Sample]) -> float:
    """Share of the error budget (the requests that may fail) that was spent; 1.0 is all of it."""
    budget = program.load.error_share * len(samples)
    return sum(not sample.ok for sample in samples) / budget if budget else 0.0


def generator_lag(samples: Sequence[Sample]) -> float:
    """Load generator lag, 99th percentile, in seconds."""
    return percentile_of(sorted(sample.lag for sample in samples), 0.99) if samples else 0.0
