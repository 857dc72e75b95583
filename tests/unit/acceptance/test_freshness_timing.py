"""What the times of repeated, unique and new questions say: table cases."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from samples import calls_of, endpoint_of

from fabfile.acceptance.freshness import Fresh
from fabfile.acceptance.freshness_timing import WAYS, judge_timing, repeat_unique_novel
from fabfile.traffic.sample import Sample


def asked(repeat: float, unique: float, novel: float, n: int = 20, error: str = "") -> list[Sample]:
    """Samples whose times scatter by a third around these milliseconds."""
    rng = random.Random(1)
    return [
        Sample("R6", 0, 0, 0, milliseconds / 1000 * rng.uniform(0.7, 1.3), 200, error, "", arm)
        for arm, milliseconds in zip(WAYS, (repeat, unique, novel), strict=True)
        for _ in range(n)
    ]


@pytest.mark.parametrize(
    ("times", "state"),
    [
        ((3, 3, 3), Fresh.PROVEN),
        ((1, 3, 3), Fresh.CACHED),
        ((1, 3, 9), Fresh.CACHED),
        # A cache that minds no query, or rows that have to be fetched from the disk: nobody can
        # tell.
        ((1, 1, 3), None),
        ((2.2, 3, 3), None),
        # Faster than usual, but not as a cache is.
        ((2, 3, 3), None),
    ],
)
def test_times_of_three_ways(times: tuple[float, float, float], state: Fresh | None) -> None:
    found = judge_timing(asked(*times), 29_019)
    assert (found.state if found else None) is state
    if found:
        assert "with a unique query" in found.because


def test_a_cache_of_a_second_answers_only_most_of_the_repeats() -> None:
    made = asked(3, 3, 3)
    for i in range(4):
        made[i] = made[i]._replace(done=0.001)
    assert judge_timing(made, 29_019) is None
    for i in range(8):
        made[i] = made[i]._replace(done=0.001)
    found = judge_timing(made, 29_019)
    assert found is not None
    assert found.state is Fresh.CACHED


def test_too_few_say_nothing() -> None:
    assert judge_timing(asked(1, 3, 3, n=11), 29_019) is None
    assert judge_timing(asked(1, 3, 3, error="status 503"), 29_019) is None
    assert judge_timing(asked(3, 3, 3), 290) is None, "of a few rows all may be in a cache"
    assert judge_timing(asked(1, 3, 3), 290) is not None


def test_scatter_alone_is_no_cache() -> None:
    rng = random.Random(2)
    for _ in range(300):
        made = [s._replace(done=rng.lognormvariate(-6, 1)) for s in asked(1, 1, 1)]
        found = judge_timing(made, 29_019)
        assert found is None or found.state is Fresh.PROVEN


def test_each_way_gets_a_third() -> None:
    make = repeat_unique_novel(calls_of(), endpoint_of("movie"))
    calls = [make() for _ in range(60)]
    assert Counter(call.arm for call in calls) == dict.fromkeys(WAYS, 20)
    assert len({call.path for call in calls if call.arm == "repeat"}) == 1
    assert len({call.path for call in calls if call.arm == "unique"}) == 20
    assert all(call.expect.contains in call.path for call in calls)
