"""Which sessions the acceptance may delete: its own, and only when that is certain."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from fabfile.flows.acceptance.targets import Range
from fabfile.flows.acceptance.wire import Answer
from fabfile.flows.acceptance.writes import Ledger, id_in


def answer(value: Any, status: int = 200, **headers: str) -> Answer:
    return Answer(0, 0, status, "" if status < 400 else f"status {status}", headers, json.dumps(value).encode())


def ledger(known: bool = True) -> Ledger:
    return Ledger(Range(1000, named=True, known=known), Range(50, named=True), Range(20, named=True), random.Random(1))


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
    assert id_in(Answer(0, 0, 201, head=b"")) is None


def test_own_sessions_are_kept_track_of() -> None:
    own = ledger()
    assert own.posted(answer({"id": 1001})) == 1001
    assert own.open == {1001}
    assert own.delete(1001).path == "/api/session/1001"
    own.deleted(1001, answer({}, 500))
    assert own.open == {1001}
    own.deleted(1001, answer({}))
    assert not own.open


@pytest.mark.parametrize(
    ("known", "value", "word"),
    [
        (True, {"status": "ok"}, "names no id"),
        (True, {"id": 1000}, "answered id 1000, which existed before"),
        (False, {"id": 1001}, "which sessions existed before could not be found out"),
    ],
)
def test_what_is_not_surely_ours_is_not_deleted(known: bool, value: Any, word: str) -> None:
    own = ledger(known)
    assert own.posted(answer(value)) is None
    assert word in own.refusal
    assert (own.open, own.lost) == (set(), 1)
    with pytest.raises(ValueError, match="was not made by this check"):
        own.delete(1000)


def test_a_post_without_an_answer_may_have_left_a_session() -> None:
    own = ledger()
    assert own.posted(Answer(0, 0, error="timed out")) is None
    assert own.posted(answer({}, 503)) is None
    assert (own.lost, own.refusal) == (1, "")
