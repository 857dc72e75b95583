"""Which rows a run may delete: its own, and only when that is certain."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace as alter
from samples import MINIFLUX, PROGRAM, calls_of

from fabfile.settings.service import Service
from fabfile.traffic.client import Response
from fabfile.traffic.own_rows import OwnRows, ledger_calls, open_ledgers, sort_ids
from fabfile.traffic.row_content import id_in, rows_in, shows_values
from fabfile.traffic.values import Range

FIELDS = PROGRAM.values["own"].field


def answer(value: Any, status: int = 200, **headers: str) -> Response:
    return Response(
        0,
        0,
        status,
        "" if status < 400 else f"status {status}",
        headers,
        json.dumps(value).encode(),
    )


def ledger(known: bool = True, program: Service = PROGRAM) -> OwnRows:
    calls = calls_of(program, customer=50, movie=20)
    calls.ranges["row"] = Range(1000, known=known)
    (own,) = open_ledgers(calls).values()
    return own


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
        ({"id": "5f2c-aa"}, "5f2c-aa"),
        ({"movie": {"id": 3}, "customer": {"id": 4}}, None),
        ({"data": {"session": {"id": 5}}}, None),
        ({"id": True}, None),
        ({"id": 1.5}, None),
        ({"id": None}, None),
        ({"id": ""}, None),
        ({"status": "ok"}, None),
        ([1001], None),
        ("created", None),
    ],
)
def test_id_in_the_answer(value: Any, number: int | str | None) -> None:
    assert id_in(answer(value), FIELDS, "/api/session") == number


def test_id_elsewhere() -> None:
    assert id_in(answer({}, Location="/api/session/1001"), FIELDS, "/api/session") == 1001
    assert id_in(Response(0, 0, 201, head=b""), FIELDS, "/api/session") is None


def test_own_rows_are_kept_track_of() -> None:
    own = ledger()
    assert own.posted(own.post(), answer({"id": 1001})) == 1001
    assert own.open == {1001}
    delete = own.delete(1001)
    assert (delete.endpoint, delete.method, delete.path) == ("R13", "DELETE", "/api/session/1001")
    own.deleted(delete, answer({}, 500))
    assert own.open == {1001}
    own.deleted(delete, answer({}))
    assert not own.open


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ({"status": "ok"}, "has no id"),
        ({"id": 1000}, "answered id 1000, which existed before"),
        ({"id": "5f2c"}, "answered id 5f2c, which existed before"),
    ],
)
def test_what_is_not_surely_ours_is_not_deleted(value: Any, word: str) -> None:
    own = ledger()
    assert own.posted(own.post(), answer(value)) is None
    assert word in own.refusal
    assert (own.open, own.lost) == (set(), 1)
    with pytest.raises(ValueError, match="was not created by this check"):
        own.delete(1000)


def test_a_post_without_an_answer_may_have_left_a_row() -> None:
    own = ledger()
    own.post()  # never answered: the run was interrupted
    for said in (Response(0, 0, error="timed out"), answer({}, 504), answer({}, 422)):
        assert own.posted(own.post(), said) is None
    assert (own.lost, own.refusal) == (3, ""), "only the last was refused for certain"


def test_a_row_that_was_created_twice_is_searched_for() -> None:
    own = ledger(program=MINIFLUX)
    assert own.posted(own.post(), answer({}, 400)) is None
    assert own.lost == 1, "400 says that the title exists: by another try of ours"
    assert own.posted(own.post(), answer({}, 422)) is None
    assert own.lost == 1


def test_no_row_is_made_while_nobody_knows_which_existed() -> None:
    assert "which rows existed before is unknown" in ledger(known=False).refusal
    assert ledger(known=False, program=MINIFLUX).refusal == "", "its file names no such value"


def test_each_creation_has_a_text_of_its_own() -> None:
    own = ledger()
    bodies = [json.loads(own.post().body or b"") for _ in range(100)]
    starts = {body["start_time"] for body in bodies}
    assert len(starts) == 100
    assert all("2013" < start < "2023-11-21T15:37:00Z" for start in starts)
    assert own.marks == ("start",)
    assert ledger(program=MINIFLUX).marks == ("title",)
    fixed = json.loads(own.post({"customer": "7", "movie": "8"}).body or b"")
    assert (fixed["customer_id"], fixed["movie_id"]) == (7, 8)


SENT = {"start": "2020-01-02T03:04:05Z", "customer": "7", "movie": "8"}


@pytest.mark.parametrize(
    ("row", "ours"),
    [
        ({"start_time": "2020-01-02T03:04:05Z", "customer_id": 7, "movie_id": 8}, True),
        ({"start_time": "2020-01-02 03:04:05", "customer": {"id": 7}, "movie": {"id": 8}}, True),
        ({"StartTime": "2020-01-02T03:04:05.000Z", "CustomerID": 7, "MovieID": 8}, True),
        ({"start_time": "2020-01-02T03:04:05Z", "customer_id": 77, "movie_id": 8}, False),
        ({"start_time": "2020-01-02T03:04:06Z", "customer_id": 7, "movie_id": 8}, False),
        ({"customer_id": 7, "movie_id": 8}, False),
    ],
)
def test_a_row_is_ours_if_it_has_all_values_that_we_sent(row: Any, ours: bool) -> None:
    assert shows_values(json.dumps(row).encode(), SENT) is ours


def test_the_calls_of_a_ledger_come_from_the_file() -> None:
    (bingo,) = ledger_calls(PROGRAM).values()
    assert bingo.read is not None
    assert bingo.listing is not None
    names = (bingo.create.name, bingo.delete.name, bingo.read.name, bingo.listing.name)
    assert names == ("session_new", "session_delete", "session", "sessions")
    (found,) = ledger_calls(MINIFLUX).values()
    assert found.listing is not None
    assert (found.create.name, found.delete.name) == ("category_new", "category_delete")
    assert (found.read, found.listing.name) == (None, "categories")


def test_what_cannot_be_deleted_has_no_ledger() -> None:
    kept = tuple(one for one in MINIFLUX.endpoints if one.method != "DELETE")
    assert ledger_calls(alter(MINIFLUX, endpoints=kept)) == {}


def test_rows_of_a_list() -> None:
    assert list(rows_in(b'[{"id": 1}, 2, {"id": 3}]')) == [{"id": 1}, {"id": 3}]
    assert list(rows_in(b'{"total": 1, "entries": [{"id": 1}]}')) == [{"id": 1}]
    assert list(rows_in(b'[{"id": 1')) == []
    assert sort_ids({"b", 10, 9, "a"}) == [9, 10, "a", "b"]
