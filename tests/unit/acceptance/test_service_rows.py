"""Verdicts of the acceptance: table cases over samples that never met a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from samples import PROGRAM, endpoint_of, requirement_of

from fabfile.acceptance.freshness import Fresh, Freshness
from fabfile.acceptance.row import Figures, Row, Verdict, judge_figures
from fabfile.acceptance.rows.service import (
    add_requests_alone,
    list_row,
    live_row,
    rate_row,
    single_row,
    suspected_missing_indexes,
    write_row,
)
from fabfile.engine.errors import RunbookError
from fabfile.settings.requirements import Requirement
from fabfile.traffic.load import Load
from fabfile.traffic.sample import Sample

DB_DUMMY, MOVIE, CUSTOMER, SESSION = map(requirement_of, ("R5", "R6", "R7", "R8"))
MOVIE_LIST, SESSION_LIST = map(requirement_of, ("R9", "R11"))
SESSION_CREATE, SESSION_DELETE, PING = map(requirement_of, ("R12", "R13", "R19"))
PROVEN = Freshness(Fresh.PROVEN, "told")
HELD, FAILED, UNPROVEN, NOT_TRIED = (
    Verdict.HELD,
    Verdict.FAILED,
    Verdict.UNPROVEN,
    Verdict.NOT_TRIED,
)


def samples(
    n: int,
    *,
    errors: int = 0,
    slow: int = 0,
    endpoint: str = "R6",
    rate: float = 24,
    mark: str = "",
) -> list[Sample]:
    """`n` samples, the first of them errors, the next slow, all others of 20 ms."""
    made = []
    for i in range(n):
        intended = i / rate
        latency = 0.5 if errors <= i < errors + slow else 0.02
        error = "status 503" if i < errors else ""
        made.append(
            Sample(
                endpoint,
                intended,
                intended,
                intended,
                intended + latency,
                503 if error else 200,
                error,
                mark,
            )
        )
    return made


def a_load(made: Sequence[Sample], rate: float = 120) -> Load:
    return Load(rate, len(made) / rate, list(made), 0.1)


@pytest.mark.parametrize(
    ("n", "errors", "slow", "proof", "verdict", "word"),
    [
        (1440, 0, 0, True, HELD, ""),
        (1440, 7, 0, True, HELD, ""),
        (1440, 8, 0, True, UNPROVEN, "8 errors of 1440: at most 7 would prove ≤ 1 %"),
        (1440, 14, 0, True, UNPROVEN, "at most 7"),
        (1440, 15, 0, True, FAILED, "15 of 1440 failed (status 503 ×15)"),
        (1440, 0, 124, True, HELD, ""),
        (1440, 0, 140, True, UNPROVEN, "took 400 ms or more"),
        (1440, 0, 160, True, FAILED, "p90 is 500 ms"),
        (312, 3, 0, False, HELD, ""),
        (312, 4, 0, False, FAILED, "4 of 312"),
        (312, 200, 0, False, FAILED, "200 of 312 failed (status 503 ×200)"),
        (0, 0, 0, False, FAILED, "no request was made"),
    ],
)
def test_errors_and_p90(
    n: int, errors: int, slow: int, proof: bool, verdict: Verdict, word: str
) -> None:
    found, why = judge_figures(
        Figures.of(samples(n, errors=errors, slow=slow), bound=0.4),
        0.01,
        proof=proof,
        p90_bound=0.4,
    )
    assert found is verdict
    assert word in why


def test_an_error_is_slower_than_any_answer() -> None:
    figures = Figures.of(samples(100, errors=11), bound=0.4)
    assert figures.p50 == pytest.approx(0.02)
    assert figures.p90 == figures.p99 == float("inf")
    assert figures.slow == 11


def single(requirement: Requirement, load: Load, **more: Any) -> Row:
    return single_row(requirement, load, p90_bound=0.4, **more)


def live(made: Sequence[Sample]) -> Row:
    return live_row(PING, endpoint_of("ping").expect, PROGRAM.health.ill, made)


def peak(load: Load) -> Row:
    return rate_row(PROGRAM.load, "peak", load, {}, proof=False)


def test_a_single_row_takes_only_its_own_samples() -> None:
    load = a_load([*samples(100, endpoint="R6"), *samples(100, errors=50, endpoint="R7")])
    assert single(MOVIE, load, fresh=PROVEN, suspects={}, proof=False).verdict is HELD
    failed = single(CUSTOMER, load, fresh=PROVEN, suspects={}, proof=False)
    assert (failed.verdict, failed.figures.n, failed.next) == (FAILED, 100, "fab status")


def test_a_row_that_is_slow_alone_is_told_from_one_that_waits_for_it() -> None:
    suspects = suspected_missing_indexes({"R6": [0.004, 0.005], "R7": [], "R8": [0.2, 0.09, 0.1]})
    assert suspects == {"R8": 0.1}
    both = a_load([*samples(100, slow=30), *samples(100, slow=30, endpoint="R8")])
    waits, searched = (
        single(each, both, fresh=PROVEN, suspects=suspects, proof=False)
        for each in (MOVIE, SESSION)
    )
    assert (waits.why, waits.next) == ("p90 is 500 ms", "fab status")
    assert searched.why == "p90 is 500 ms; it takes 100 ms even without load: is its index there?"
    assert searched.next == "inv db.indexes"
    assert (
        rate_row(PROGRAM.load, "peak", a_load(samples(100, errors=9)), suspects, proof=False).next
        == "inv db.indexes"
    )
    fast_enough = single(
        SESSION,
        a_load(samples(100, endpoint="R8")),
        fresh=PROVEN,
        suspects=suspects,
        proof=False,
    )
    assert fast_enough.verdict is HELD
    assert fast_enough.notes == ["it takes 100 ms even without load: is its index there?"]


def test_a_missing_index_is_suspected_by_comparing() -> None:
    assert suspected_missing_indexes({"R6": [0.2], "R7": [0.3], "R8": [0.4]}) == {}, (
        "a slow network is no missing index"
    )
    assert suspected_missing_indexes({"R6": [0.002], "R7": [0.02], "R8": [0.031]}) == {"R8": 0.031}
    assert suspected_missing_indexes({"R6": []}) == {}


@pytest.mark.parametrize(
    ("fresh", "verdict"),
    [
        (PROVEN, HELD),
        (Freshness(Fresh.LIKELY, "date"), HELD),
        (Freshness(Fresh.UNKNOWN, "nothing"), UNPROVEN),
        (Freshness(Fresh.CACHED, "Age: 3"), FAILED),
    ],
)
def test_freshness_decides_too(fresh: Freshness, verdict: Verdict) -> None:
    assert (
        single(MOVIE, a_load(samples(100)), fresh=fresh, suspects={}, proof=False).verdict
        is verdict
    )
    assert list_row(MOVIE_LIST, samples(6, endpoint="R9"), fresh).verdict is verdict


def test_one_answer_that_admits_a_cache_is_enough() -> None:
    made = [*samples(99), samples(1, mark="X-Cache: HIT")[0]]
    row = single(MOVIE, a_load(made), fresh=PROVEN, suspects={}, proof=False)
    assert row.verdict is FAILED
    assert "it is cached: 1 of 100 answers have a cache's header (X-Cache: HIT)" in row.why


def test_an_answer_in_no_time_was_not_in_the_database() -> None:
    fresh = Freshness(Fresh.PROVEN, "", least_seconds=0.1)
    row = single(
        DB_DUMMY,
        a_load(samples(100, endpoint="R5")),
        fresh=fresh,
        suspects={},
        proof=False,
        slow_by_design=True,
    )
    assert row.verdict is FAILED
    assert "100 of 100 took less than 25 ms, the app takes 100 ms" in row.why
    assert (
        single(MOVIE, a_load(samples(100)), fresh=fresh, suspects={}, proof=False).verdict is HELD
    )


@pytest.mark.parametrize(
    ("requirement", "errors", "verdict"),
    [
        (MOVIE_LIST, 0, HELD),
        (MOVIE_LIST, 1, FAILED),
        (SESSION_LIST, 1, HELD),
        (SESSION_LIST, 2, FAILED),
    ],
)
def test_lists(requirement: Requirement, errors: int, verdict: Verdict) -> None:
    assert list_row(requirement, samples(20, errors=errors, slow=19), PROVEN).verdict is verdict


def test_a_list_asked_once_is_not_blamed_for_it() -> None:
    row = list_row(SESSION_LIST, samples(1), Freshness(Fresh.UNKNOWN, "nothing"))
    assert (row.verdict, row.fresh) == (HELD, None)
    assert row.notes == ["freshness was not tried: the list was requested only once"]
    assert (
        list_row(SESSION_LIST, samples(2), Freshness(Fresh.UNKNOWN, "nothing")).verdict is UNPROVEN
    )


def test_a_rate_is_carried_only_by_right_answers_in_time() -> None:
    assert peak(a_load(samples(1560, rate=120))).verdict is HELD
    # One node of 100 requests/s under 120: every answer is right, but each comes later than the one
    # before.
    backlog = [s._replace(done=(i + 1) / 100) for i, s in enumerate(samples(1560, rate=120))]
    row = peak(a_load(backlog))
    assert row.verdict is FAILED
    assert row.why == "107.7 of 120 requests/s were carried"
    assert row.next.startswith("fab status")


def test_a_late_generator_is_told() -> None:
    late = [s._replace(woke=s.intended + 0.03) for s in samples(120, rate=120)]
    load = a_load(late)
    assert load.doubtful
    assert "and 30 ms late (p99)" in peak(load).notes[0]
    assert not peak(a_load(samples(120, rate=120))).notes


def test_writes() -> None:
    assert write_row(SESSION_CREATE, samples(300, errors=3), []).verdict is HELD
    assert write_row(SESSION_CREATE, samples(300, errors=4), []).verdict is FAILED
    gone = write_row(
        SESSION_CREATE, samples(5), ["session 7 was accepted, but GET does not have it"]
    )
    assert gone.verdict is FAILED
    assert "session 7" in gone.why
    skipped = write_row(SESSION_DELETE, [], [], refusal="the answer names no id")
    assert (skipped.verdict, skipped.why) == (NOT_TRIED, "the answer names no id")
    none = write_row(SESSION_DELETE, [], [])
    assert (none.verdict, none.why) == (FAILED, "no row could be created")
    unknown = write_row(
        SESSION_DELETE,
        [],
        ["no row was created: which rows exist could not be found out"],
        refusal="unknown",
    )
    assert unknown.verdict is FAILED, "what could not be asked is a failure"


@pytest.mark.parametrize(
    ("errors", "n", "problems", "verdict", "why"),
    [
        (0, 15, [], HELD, ""),
        (1, 15, [], HELD, ""),
        (5, 15, [], FAILED, "before the load 5 of 15 failed (status 503 ×5)"),
        (
            0,
            15,
            ["it gave no right answer within 3 s (timed out)"],
            FAILED,
            "within 3 s (timed out)",
        ),
    ],
)
def test_an_outage_before_the_load_counts(
    errors: int, n: int, problems: list[str], verdict: Verdict, why: str
) -> None:
    load = a_load(samples(312))
    row = single(MOVIE, load, fresh=PROVEN, suspects={}, proof=False)
    judged = add_requests_alone(row, samples(n, errors=errors), load, problems)
    assert judged.verdict is verdict
    assert why in judged.why
    assert judged.next == ("" if verdict is HELD else "fab status")
    assert judged.figures == row.figures, "the figures stay those of the load"


def test_ping_allows_no_error_and_says_what_was_not_seen() -> None:
    assert "500 appears only while a node is unhealthy" in live(samples(20)).notes[0]
    row = live(samples(20, errors=1))
    assert row.verdict is FAILED
    assert not row.notes


def test_address() -> None:
    from fabfile.traffic.client import base_url

    assert base_url("10.0.0.1") == base_url("http://10.0.0.1/") == "http://10.0.0.1"
    assert base_url("films.example:8080") == "http://films.example:8080"
    for wrong in ("", "ftp://x", "http://x/api", "http://x:port", "https://x"):
        with pytest.raises(RunbookError, match="not the address of a service"):
            base_url(wrong)
