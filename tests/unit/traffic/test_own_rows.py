"""Which sessions the acceptance may delete: its own, and only when that is certain."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from fabfile.traffic.calls import Range
from fabfile.traffic.client import Response
from fabfile.traffic.own_rows import OwnRows, Session, id_in, session_in

SEEN = Session("2020-01-02T03:04:05Z", 7, 8)


def answer(value: Any, status: int = 200, **headers: str) -> Response:
    return Response(
        0,
        0,
        status,
        "" if status < 400 else f"status {status}",
        headers,
        json.dumps(value).encode(),
    )


def ledger(known: bool = True) -> OwnRows:
    return OwnRows(
        Range(1000, named=True, known=known),
        Range(50, named=True),
        Range(20, named=True),
        random.Random(1),
    )


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ({"id": 1001}, 1001),
        ({"ID": "1001"}, 1001),
        ({"session_id": 1001, "movie_id": 3}, 1001),
        ({"session": {"id": 1001, "movie": {"id": 3}}}, 1001),
        ({"data": {"Id": 1001}}, 1001),
        ({"result": 1001}, 1001),
        (1001, 1001),
        ({"movie": {"id": 3}, "customer": {"id": 4}}, None),
        ({"data": {"session": {"id": 5}}}, None),
        ({"id": True}, None),
        ({"id": 1.5}, None),
        ({"id": None}, None),
        ({"status": "ok"}, None),
        ([1001], None),
        ("created", None),
    ],
)
def test_id_in_the_answer(value: Any, number: int | None) -> None:
    assert id_in(answer(value)) == number


def test_id_elsewhere() -> None:
    assert id_in(answer({}, Location="/api/session/1001")) == 1001
    assert id_in(Response(0, 0, 201, head=b"")) is None


def test_own_sessions_are_kept_track_of() -> None:
    own = ledger()
    assert own.posted(own.post(), answer({"id": 1001})) == 1001
    assert own.open == {1001}
    assert own.delete(1001).path == "/api/session/1001"
    own.deleted(1001, answer({}, 500))
    assert own.open == {1001}
    own.deleted(1001, answer({}))
    assert not own.open


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ({"status": "ok"}, "has no id"),
        ({"id": 1000}, "answered id 1000, which existed before"),
    ],
)
def test_what_is_not_surely_ours_is_not_deleted(value: Any, word: str) -> None:
    own = ledger()
    assert own.posted(own.post(), answer(value)) is None
    assert word in own.refusal
    assert (own.open, own.lost) == (set(), 1)
    with pytest.raises(ValueError, match="was not created by this check"):
        own.delete(1000)


def test_a_post_without_an_answer_may_have_left_a_session() -> None:
    own = ledger()
    own.post()  # never answered: the run was interrupted
    for said in (Response(0, 0, error="timed out"), answer({}, 504), answer({}, 422)):
        assert own.posted(own.post(), said) is None
    assert (own.lost, own.refusal) == (3, ""), "only the last was refused for certain"


def test_no_session_is_made_while_nobody_knows_which_existed() -> None:
    assert "which sessions existed before is unknown" in ledger(known=False).refusal


def test_each_session_has_a_start_time_of_its_own() -> None:
    own = ledger()
    sessions = [session_in(json.loads(own.post().body or b"")) for _ in range(100)]
    assert sessions == list(own.unanswered.values())
    assert len({session.start for session in sessions if session}) == 100
    assert all("2013" < session.start < "2023-11-21T15:37:00Z" for session in sessions if session)
    assert own.post(7, 8).body != own.post(7, 8).body


@pytest.mark.parametrize(
    ("row", "session"),
    [
        ({"start_time": "2020-01-02T03:04:05Z", "customer_id": 7, "movie_id": 8}, SEEN),
        ({"start_time": "2020-01-02 03:04:05", "customer": {"id": 7}, "movie": {"id": 8}}, SEEN),
        (
            {"session": {"StartTime": "2020-01-02T03:04:05.000Z", "CustomerID": 7, "MovieID": 8}},
            SEEN,
        ),
        ({"start_time": "2020-01-02T03:04:05Z", "customer_id": 7}, None),
        ({"customer_id": 7, "movie_id": 8}, None),
        ([1], None),
        (None, None),
    ],
)
def test_a_session_in_an_answer(row: Any, session: Session | None) -> None:
    assert session_in(row) == session
