"""Percentiles and exact bounds of the acceptance, against the figures that were computed
elsewhere."""

from __future__ import annotations

import math

import pytest

from fabfile.traffic.stats import (
    binomial_tail,
    most_allowed,
    p90_timeline,
    percentile_of,
    upper_bound,
    worst_window,
)


@pytest.mark.parametrize(
    ("n", "errors", "slow"),
    [(299, 0, 21), (600, 1, 47), (1200, 6, 102), (3600, 25, 330), (7200, 57, 677)],
)
def test_most_that_still_proves_is_that_of_the_design_table(n: int, errors: int, slow: int) -> None:
    assert most_allowed(n, 0.01) == errors
    assert most_allowed(n, 0.10) == slow
    assert upper_bound(errors, n) <= 0.01 < upper_bound(errors + 1, n)
    assert upper_bound(slow, n) <= 0.10 < upper_bound(slow + 1, n)


def test_the_sizes_of_our_runs_prove_what_their_comments_say() -> None:
    assert most_allowed(312, 0.01) == most_allowed(299, 0.01) == 0
    assert most_allowed(1440, 0.01) == 7
    assert most_allowed(300, 0.01) == 0
    assert most_allowed(298, 0.01) == -1


@pytest.mark.parametrize("n", [1, 20, 299])
def test_no_error_at_all_has_the_bound_of_the_closed_form(n: int) -> None:
    assert upper_bound(0, n) == pytest.approx(1 - 0.05 ** (1 / n), abs=1e-12)


def test_the_bound_inverts_the_tail() -> None:
    assert binomial_tail(7, 1440, upper_bound(7, 1440)) == pytest.approx(0.05, abs=1e-9)
    assert upper_bound(0, 0) == upper_bound(5, 5) == 1.0


@pytest.mark.parametrize(
    ("k", "n", "p", "tail"), [(0, 2, 0.5, 0.25), (1, 2, 0.5, 0.75), (2, 2, 0.5, 1), (0, 3, 0, 1)]
)
def test_tail_of_small_cases(k: int, n: int, p: float, tail: float) -> None:
    assert binomial_tail(k, n, p) == pytest.approx(tail)


def test_percentile_is_a_value_that_was_seen() -> None:
    values = [float(i) for i in range(1, 11)]
    assert [percentile_of(values, share) for share in (0.0, 0.5, 0.9, 0.91, 1.0)] == [
        1,
        5,
        9,
        10,
        10,
    ]
    assert percentile_of([1.0, math.inf], 0.9) == math.inf
    with pytest.raises(ValueError, match="no values"):
        percentile_of([], 0.9)


def test_a_bad_stretch_is_found_in_a_good_minute() -> None:
    points = [(t / 10, 0.02) for t in range(600)]
    for i in range(300, 320):
        points[i] = (i / 10, 3.0)
    points[310] = (31.0, math.inf)
    worst = worst_window(points)
    assert worst is not None
    assert worst.start <= 30.0 < worst.start + 10
    assert (worst.n, worst.errors, worst.p90) == (100, 1, 3.0)
    assert worst_window([]) is None


def test_a_phase_shorter_than_the_window_is_one_window() -> None:
    worst = worst_window([(0.0, 0.1), (1.0, 0.3)])
    assert worst is not None
    assert (worst.n, worst.p90) == (2, 0.3)


def test_time_line_has_gaps_where_nothing_was_sent() -> None:
    assert p90_timeline([(0.0, 0.1), (0.1, 0.2), (3.9, 0.5)], 4, 4.0) == [0.2, None, None, 0.5]
