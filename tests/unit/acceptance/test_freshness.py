"""What tells a cache's answers from fresh ones: table cases of looks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fabfile.acceptance.freshness import Fresh, Freshness, FreshnessProbe, judge_freshness
from fabfile.traffic.client import Response
from fabfile.traffic.dates import parse_http_date
from fabfile.traffic.row_content import first_row, references_in

GAP = 1.6
START = 1_700_000_000.0


def looks(
    body: Callable[[FreshnessProbe], str] = lambda look: "same",
    *,
    turns: int = 3,
    change: Callable[[FreshnessProbe], FreshnessProbe] = lambda look: look,
    seconds: float = 0.002,
) -> list[FreshnessProbe]:
    """Two plain and two unique answers a turn, of an app whose Date is right; then changed as a
    cache would."""
    made = []
    for turn in range(turns):
        for i, unique in enumerate((False, False, True, True)):
            sent = turn * GAP + i * 0.03
            look = FreshnessProbe(
                turn, unique, sent, sent + seconds, "", date=float(int(START + sent))
            )
            made.append(change(look._replace(digest=body(look))))
    return made


def clock(digits: int) -> Callable[[FreshnessProbe], str]:
    """A body that tells the time."""
    return lambda look: f"{START + look.sent:.{digits}f}"


def kept(
    ttl: float, body: Callable[[FreshnessProbe], str], *, date: bool = True
) -> Callable[[FreshnessProbe], FreshnessProbe]:
    """Plain answers as a cache gives them: the first of each `ttl` again and again; with its
    Date, or a new one."""

    def change(look: FreshnessProbe) -> FreshnessProbe:
        if look.unique:
            return look
        first = look._replace(sent=look.sent // ttl * ttl)
        told = look._replace(digest=body(first), done=look.sent + 0.001)
        return told._replace(date=float(int(START + first.sent))) if date else told

    return change


def test_bodies_that_tell_the_time_prove_freshness() -> None:
    assert judge_freshness(looks(clock(6))) == (Fresh.PROVEN, "3 repeats, 3 different answers", 0.0)
    assert judge_freshness(looks(clock(0))).state is Fresh.PROVEN


def test_bodies_that_never_change_leave_the_date() -> None:
    assert judge_freshness(looks()).state is Fresh.LIKELY
    assert (
        judge_freshness(looks(change=lambda look: look._replace(date=None))).state is Fresh.UNKNOWN
    )
    assert judge_freshness([]).state is Fresh.UNKNOWN


@pytest.mark.parametrize(
    ("made", "word"),
    [
        (
            looks(change=lambda look: look._replace(mark="Age: 3")),
            "12 of 12 answers have a cache's header (Age: 3)",
        ),
        (looks(change=kept(60, lambda look: "same")), "its Date advanced by 0 s"),
        (
            looks(clock(6), change=kept(60, clock(6), date=False)),
            "repeated requests got the same body",
        ),
        (
            looks(clock(0), change=kept(60, clock(0), date=False)),
            "the same body came again after 3.2 s",
        ),
        (
            looks(clock(3), change=kept(1, clock(3), date=False)),
            "repeated requests got the same body",
        ),
        (
            looks(seconds=0.1, change=kept(60, lambda look: "same", date=False)),
            "repeated requests took 1 ms",
        ),
    ],
)
def test_caches_are_found(made: list[FreshnessProbe], word: str) -> None:
    found = judge_freshness(made)
    assert found.state is Fresh.CACHED
    assert word in found.because


@pytest.mark.parametrize(("later", "state"), [(0.05, Fresh.CACHED), (0.3, Fresh.LIKELY)])
def test_a_slow_list_that_was_asked_only_twice(later: float, state: Fresh) -> None:
    first, _, own, *_ = looks(seconds=1.5)
    again = looks()[4]._replace(done=GAP + later, size=10**7)
    assert judge_freshness([first, own, again]).state is state


def test_two_nodes_with_clocks_a_second_apart_are_no_cache() -> None:
    def skewed(look: FreshnessProbe) -> FreshnessProbe:
        behind = look.turn % 2
        return look._replace(
            digest=f"{START + look.sent - behind:.0f}", date=float(int(START + look.sent - behind))
        )

    assert judge_freshness(looks(change=skewed)).state is not Fresh.CACHED


def test_two_nodes_that_tell_their_names_are_no_cache() -> None:
    made = looks(lambda look: f"node{(look.turn + look.unique) % 2}")
    assert judge_freshness(made).state is Fresh.LIKELY


def test_a_tick_shared_by_two_answers_is_no_cache() -> None:
    made = looks(clock(3))
    made[1] = made[1]._replace(digest=made[0].digest)
    assert judge_freshness(made).state is Fresh.PROVEN


def test_an_app_that_takes_its_time_proves_it() -> None:
    found = judge_freshness(looks(seconds=0.1))
    assert (found.state, found.because) == (
        Fresh.PROVEN,
        "no repeated request was faster than 100 ms",
    )
    assert found.least_seconds == pytest.approx(0.1)
    # A long list takes its time from a cache too.
    assert (
        judge_freshness(looks(seconds=0.1, change=lambda look: look._replace(size=10**6))).state
        is Fresh.LIKELY
    )


def test_what_was_written_must_be_in_the_next_answer() -> None:
    def shown(plain: bool) -> Callable[[FreshnessProbe], FreshnessProbe]:
        def change(look: FreshnessProbe) -> FreshnessProbe:
            there = (True if look.unique else plain) if look.turn else None
            return look._replace(digest=f"{look.sent}", shows_write=there)

        return change

    assert judge_freshness(looks(change=shown(True))).because.startswith(
        "4 answers show a row just created"
    )
    missing = judge_freshness(looks(change=shown(False)))
    assert missing.state is Fresh.CACHED
    assert "a row created before is missing" in missing.because


@pytest.mark.parametrize("state", [Fresh.PROVEN, Fresh.CACHED])
def test_reading_back_what_was_deleted_decides(state: Fresh) -> None:
    assert judge_freshness(looks(), [Freshness(state, "read back")]) == (state, "read back", 0.0)


@pytest.mark.parametrize(
    ("headers", "mark"),
    [
        ({"Age": "0"}, ""),
        ({"Age": "12"}, "Age: 12"),
        ({"X-Cache": "MISS"}, ""),
        ({"X-Cache-Status": "HIT"}, "X-Cache-Status: HIT"),
        ({"x-cache": "Hit from cloudfront"}, "x-cache: Hit from cloudfront"),
        ({"Cache-Status": "edge; hit; ttl=3"}, "Cache-Status: edge; hit; ttl=3"),
        ({"Cache-Status": "edge; fwd=stale"}, ""),
        ({"X-Cache-Hits": "0, 2"}, "X-Cache-Hits: 0, 2"),
        ({"X-Cache-Hits": "0"}, ""),
        ({"Cache-Control": "stale-while-revalidate=3"}, ""),
        ({"X-White": "hit"}, ""),
    ],
)
def test_headers_by_which_a_cache_admits_it(headers: dict[str, str], mark: str) -> None:
    assert Response(0, 0, headers=headers).mark == mark


@pytest.mark.parametrize(
    ("head", "pair"),
    [
        (b'[{"id": 9, "customer_id": 3, "movie_id": 7}, {"id"', (3, 7)),
        (b'{"sessions": [{"CustomerID": 3, "movieId": 7}]}', (3, 7)),
        (b'[{"customer": {"id": 3}, "movie": {"id": 7, "name": "a"}}]', (3, 7)),
        (b'[{"customer": "Ann", "movie": "Up"}]', None),
        (b"[]", None),
        (b"[[1, 2]]", None),
        (b"oops", None),
    ],
)
def test_the_first_row_of_a_list(head: bytes, pair: tuple[int, int] | None) -> None:
    row = first_row(head)
    found = references_in(row, ("customer", "movie")) if row else None
    assert found == (pair and {"customer": str(pair[0]), "movie": str(pair[1])})


def test_dates() -> None:
    assert parse_http_date("Tue, 14 Nov 2023 22:13:20 GMT") == START
    assert parse_http_date("") is parse_http_date("soon") is None
