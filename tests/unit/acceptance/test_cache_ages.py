"""How old answers are: what bodies tell, what headers may not, and what clocks may be off."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from samples import PROGRAM, endpoint_of

from fabfile.acceptance.cache_age import (
    Ages,
    DatedAnswer,
    Offset,
    clock_offset,
    judge_ages,
    times_in,
)
from fabfile.acceptance.cache_probe import CacheEvidence, Pattern
from fabfile.acceptance.row import Row, Verdict
from fabfile.acceptance.rows.cache import cache_row
from fabfile.traffic.sample import Sample

NOW = 1_800_000_000.0
CLOCK = Offset(0.0, 0.1)


def seen(
    at: float,
    body: str,
    told: float | None = None,
    *,
    took: float = 0.01,
    stamp: float | None = None,
) -> DatedAnswer:
    """An answer `at` seconds into the run, with `told` (seconds into the run) in its body."""
    times = [] if told is None else [NOW + told]
    return DatedAnswer(
        NOW + at - took, NOW + at, body, times, None, None if stamp is None else NOW + stamp
    )


def fresh(*bodies: str, timed: bool = False) -> list[DatedAnswer]:
    """Answers of an app that takes 3 s, a second apart."""
    return [seen(i + 3, body, i + 2.9 if timed else None, took=3) for i, body in enumerate(bodies)]


@pytest.mark.parametrize(
    ("body", "times"),
    [
        (b'{"time":"2027-01-15T08:00:00Z"}', [NOW]),
        (b'{"time":"2027-01-15T11:00:00.5+03:00"}', [NOW + 0.5]),
        (b'{"time":"2027-01-15T08:00:00.123456789Z"}', [NOW + 0.123456]),
        (b"at 2027-01-15 08:00:00.", [NOW]),
        (b'{"t":1800000000,"u":1800000000.25}', [NOW, NOW + 0.25]),
        (b'{"ms":1800000000250,"ns":1800000000250000000}', [NOW + 0.25, NOW + 0.25]),
        (b'{"id":"180000000","phone":18000000001,"v":"1800000000-1"}', []),
        (b"2027-13-45T08:00:00Z", []),
    ],
)
def test_times_in_bodies(body: bytes, times: list[float]) -> None:
    assert times_in(body) == pytest.approx(times)


def test_a_body_that_comes_again_is_as_old_as_its_first_coming() -> None:
    """No time in it, no header: an app whose answers all differ."""
    plain = [seen(0, "a"), seen(10, "a"), seen(61.5, "a"), seen(62, "b")]
    found = judge_ages(plain, unique=fresh("x", "y", "z"), posted=[], clock=CLOCK)
    assert found.ages == pytest.approx([0, 10, 61.5, 0])
    assert found.proven_age == pytest.approx(61.5)
    assert found.evidence == ["when each body was first seen"]


def test_an_app_that_always_says_the_same_is_not_old_for_it() -> None:
    found = judge_ages(
        [seen(0, "ok"), seen(90, "ok")], unique=fresh("ok", "ok", "ok"), posted=[], clock=CLOCK
    )
    assert (found.proven_age, found.evidence, found.by_headers) == (0, [], False)


def test_the_time_in_a_body_tells_of_before_the_run() -> None:
    found = judge_ages(
        [seen(0.5, "a", -70)], unique=fresh("x", "y", "z", timed=True), posted=[], clock=CLOCK
    )
    # In whole seconds it may have been one later, and the clock may be off.
    assert (max(found.ages), found.proven_age) == (pytest.approx(70.5), pytest.approx(69.4))


def test_a_time_that_is_not_the_answers_own_tells_nothing() -> None:
    """A birthday, a start: fresh answers show that it is not now."""
    old = [seen(i + 3.0, f"b{i}", -5000 - i, took=3) for i in range(3)]
    found = judge_ages(
        [seen(0, "a", -9000), seen(1, "b", -9000)], unique=old, posted=[], clock=CLOCK
    )
    assert found.proven_age == pytest.approx(0)
    assert found.evidence == ["when each body was first seen"]


def test_a_cache_that_minds_no_query_hides_nothing() -> None:
    """It answers unique queries too, with old bodies; POST, or that the time moves on, unmasks
    it."""
    plain = [seen(0, "a", -300), seen(20, "a", -300)]
    stale = [seen(i, "a", -300) for i in (1, 2, 3)]
    posted = [seen(6, "p", 5.9, took=3), seen(7, "q", 6.9, took=3)]
    assert judge_ages(plain, unique=stale, posted=posted, clock=CLOCK).proven_age > 300
    assert (
        judge_ages([*plain, seen(40, "b", -200)], unique=stale, posted=[], clock=CLOCK).proven_age
        > 300
    )
    assert judge_ages(plain, unique=stale, posted=[], clock=CLOCK).evidence == []


def test_headers_may_only_make_it_older() -> None:
    plain = [seen(0, "a", -3.0, stamp=-6), seen(1, "a", -3.0, stamp=1)]
    found = judge_ages(plain, unique=fresh("x", "y", "z", timed=True), posted=[], clock=CLOCK)
    assert found.ages == pytest.approx([6, 4])
    alone = judge_ages(
        [seen(0, "ok", stamp=-70)], unique=fresh("ok", "ok", "ok"), posted=[], clock=CLOCK
    )
    assert (alone.by_headers, alone.evidence) == (True, ["headers alone"])
    assert alone.proven_age == pytest.approx(68.9)


def test_the_clock_is_found_from_dates_in_whole_seconds() -> None:
    """A service 100.3 s ahead, asked at odd moments: its Date is cut to whole seconds."""
    pings = [
        DatedAnswer(
            NOW + i * 0.37,
            NOW + i * 0.37 + 0.004,
            "pong",
            date=float(int(NOW + 100.3 + i * 0.37 + 0.002)),
        )
        for i in range(12)
    ]
    found = clock_offset(pings)
    assert abs(found.ahead - 100.3) <= found.slack + 0.01 < 0.2
    assert clock_offset([]) == Offset(0.0, 1.0)


def the_row(
    plain: Sequence[DatedAnswer],
    slow: int = 0,
    proof: bool = False,
    longest_idle: float = 66,
    posted: Sequence[DatedAnswer] = (),
) -> Row:
    samples = [Sample("R16", i, i, i, i + (3.0 if i < slow else 0.01), 200) for i in range(100)]
    cache = CacheEvidence(
        endpoint=endpoint_of("long_dummy"),
        pattern=Pattern(seconds=150, longest_gap=66, seed=7),
        samples=samples,
        plain=list(plain),
        unique=fresh("x", "y", "z"),
        posted=list(posted),
        longest_idle=longest_idle,
    )
    return cache_row(PROGRAM, cache, proof=proof)


YOUNG = [seen(0, "a"), seen(50, "a")]


@pytest.mark.parametrize(
    ("slow", "proof", "verdict", "word"),
    [
        (0, True, Verdict.HELD, ""),
        (17, True, Verdict.HELD, ""),
        (18, True, Verdict.UNPROVEN, "18 of 100 took 1 s or more: at most 17 would prove"),
        (25, False, Verdict.HELD, ""),
        (
            26,
            False,
            Verdict.FAILED,
            "26 of 100 took 1 s or more: does the edge cache this answer at all?",
        ),
    ],
)
def test_speed(slow: int, proof: bool, verdict: Verdict, word: str) -> None:
    row = the_row(YOUNG, slow, proof)
    assert (row.verdict, word in row.why) == (verdict, True)
    assert row.more["share_under_1s"] == round(1 - slow / 100, 4)


def test_age() -> None:
    old = the_row([*YOUNG, seen(61, "a")])
    assert (old.verdict, old.why) == (
        Verdict.FAILED,
        "an answer was 61 s old (by when each body was first seen)",
    )
    assert "check the edges' cache" in old.next
    silent = the_row([])
    assert the_row([seen(59, "a"), seen(0, "b")]).verdict is Verdict.HELD
    assert (silent.verdict, silent.why) == (
        Verdict.UNPROVEN,
        "the answers do not show how old they are",
    )


def test_what_a_short_run_has_not_shown_is_said() -> None:
    notes = the_row(YOUNG, longest_idle=8).notes
    assert (
        "answers after more than 8 s without a request were not tried: fab check --cache-minutes 10"
        in notes
    )
    assert not [note for note in the_row(YOUNG).notes if "not tried" in note]


def test_a_post_must_reach_the_app() -> None:
    row = the_row(YOUNG, posted=[seen(9, "a")])
    assert (row.verdict, "the same body was seen before" in row.why) == (Verdict.FAILED, True)
    quick = the_row(YOUNG, posted=[seen(9, "new")])
    assert "it took 10 ms, the app takes 3 000 ms" in quick.why
    assert the_row(YOUNG, posted=[seen(9, "new", took=3)]).verdict is Verdict.HELD


def test_nothing_but_headers_proves_nothing() -> None:
    cache = CacheEvidence(
        endpoint=endpoint_of("long_dummy"),
        pattern=Pattern(seconds=150, longest_gap=66, seed=7),
        samples=[Sample("R16", 0, 0, 0, 0.01, 200)],
        plain=[seen(0, "ok", stamp=-3)],
        longest_idle=66,
    )
    row = cache_row(PROGRAM, cache, proof=False)
    assert (row.verdict, row.why) == (
        Verdict.UNPROVEN,
        "the answers do not show how old they are, only headers do",
    )


def test_the_pattern_is_its_seeds_and_as_long_as_asked() -> None:
    steps = list(Pattern(seconds=150, longest_gap=66, seed=3).steps())
    assert (
        steps
        == list(Pattern(seconds=150, longest_gap=66, seed=3).steps())
        != list(Pattern(seconds=150, longest_gap=66, seed=4).steps())
    )
    gaps = [gap for gap, _ in steps]
    assert 150 <= sum(gaps) < 150 + 7 * 2
    assert max(gaps) == 66
    assert {burst for _, burst in steps} >= {1, 4}
    assert max(gap for gap, _ in Pattern(seconds=600, longest_gap=90, seed=5).steps()) == 90
    assert Ages().percentile(0.5) is None
