"""What requests of two programs look like, and what their right answers are."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from msgspec.structs import replace as alter
from samples import MINIFLUX, PROGRAM, calls_of, endpoint_of

from fabfile.settings.endpoint import Expectation, SampleRequest
from fabfile.traffic.answers import Body, judge_answer
from fabfile.traffic.calls import load_shares
from fabfile.traffic.client import Request, Response
from fabfile.traffic.own_rows import open_ledgers
from fabfile.traffic.ranges import has_row, reader_of, searched_values
from fabfile.traffic.users_mix import UsersMix

OURS = calls_of(movie=9)
THEIRS = calls_of(MINIFLUX, entry=9)


def test_a_number_is_of_the_known_range_and_expected_in_the_answer() -> None:
    made = [OURS.make(endpoint_of("movie")) for _ in range(200)]
    assert {call.path for call in made} == {f"/api/movie/{n}" for n in range(1, 10)}
    assert all(call.path.endswith(f"/{call.expect.contains}") for call in made)
    assert {call.endpoint for call in made} == {"R6"}


def test_a_body_keeps_braces_that_name_no_value() -> None:
    call = THEIRS.make(endpoint_of("entries_read", MINIFLUX), {"entry": "7"})
    assert (call.method, call.path) == ("PUT", "/v1/entries")
    assert json.loads(call.body or b"") == {"entry_ids": [7], "status": "read"}
    assert call.expect.status == (204,)
    operation = OURS.make(endpoint_of("operation"))
    assert operation.method == "POST"
    assert 0 <= json.loads(operation.body or b"")["operation"] < 1000, "larger ones are faults"


def test_query_headers_and_quoting() -> None:
    listed = THEIRS.make(endpoint_of("entries", MINIFLUX))
    assert listed.path == "/v1/entries?limit=100"
    assert listed.with_query("fresh=1").path == "/v1/entries?limit=100&fresh=1"
    assert Request("x", "GET", "/x").with_query("fresh=1").path == "/x?fresh=1"
    sample = SampleRequest(query="q={title}", headers={"X-Title": "{title}"})
    endpoint = alter(endpoint_of("categories", MINIFLUX), sample=sample)
    asked = THEIRS.make(endpoint, {"title": "a b&c"})
    assert asked.path == "/v1/categories?q=a%20b%26c"
    assert asked.headers == (("X-Title", "a b&c"),)


def test_no_two_requests_have_the_same_unique_text() -> None:
    made = [THEIRS.make(endpoint_of("category_new", MINIFLUX)) for _ in range(100)]
    titles = {json.loads(call.body or b"")["title"] for call in made}
    assert len(titles) == 100
    assert all(call.expect.contains in titles for call in made)


def test_an_id_of_our_own_is_never_drawn() -> None:
    with pytest.raises(ValueError, match="is an id of a row that this run created"):
        THEIRS.make(endpoint_of("category_delete", MINIFLUX))


def test_the_live_page_is_asked_as_the_health_table_says() -> None:
    ours, theirs = OURS.live_call(), THEIRS.live_call()
    assert (ours.endpoint, ours.path, ours.expect.equals) == ("R19", "/ping", "pong")
    assert (theirs.endpoint, theirs.path) == ("robots", MINIFLUX.health.live.path)
    alone = calls_of(alter(MINIFLUX, endpoints=())).live_call()
    assert (alone.endpoint, alone.expect.contains) == ("live", "Disallow: /")


@pytest.mark.parametrize(
    ("status", "text", "error"),
    [
        (201, "my title", ""),
        (201, "another", "answers something else"),
        (201, "my title, but error", "answers something else"),
        (400, "exists", "status 400: executed twice"),
        (404, "", ""),
        (500, "my title", "status 500"),
    ],
)
def test_right_answers(status: int, text: str, error: str) -> None:
    expect = Expectation((201,), "my title", "error", absent=(404,), repeated=(400,))
    found = frozenset(part for part in (b"my title", b"error") if part.decode() in text)
    body = Body(text.encode(), len(text), "", found)
    assert judge_answer(expect, "POST", status, body) == error


def test_an_empty_answer_is_right_only_where_nothing_is_expected() -> None:
    empty = Body(b"", 0, "", frozenset())
    assert judge_answer(Expectation(), "GET", 200, empty) == "empty answer"
    assert judge_answer(Expectation((204,)), "GET", 204, empty) == ""
    assert judge_answer(Expectation((204,)), "PUT", 204, empty) == ""
    pong = Body(b"pong\n", 5, "", frozenset())
    assert judge_answer(Expectation(equals="pong"), "GET", 200, pong) == ""


@pytest.mark.parametrize(
    ("status", "error", "head", "there"),
    [
        (200, "", b'{"id": 7}', True),
        (200, "", b"[]", False),
        (200, "answers something else", b'{"id": 70}', False),
        (404, "", b"", False),
        (422, "status 422", b"", False),
        (429, "status 429", b"", None),
        (503, "status 503", b"", None),
        (0, "timed out", b"", None),
    ],
)
def test_whether_a_row_exists(status: int, error: str, head: bytes, there: bool | None) -> None:
    request = OURS.make(endpoint_of("session"), {"row": "7"})
    assert has_row(request, Response(0, 0, status, error, head=head)) is there


def test_rows_are_searched_with_the_call_that_reads_them() -> None:
    found = {value: reader.id for value, reader in searched_values(PROGRAM).items()}
    assert found == {"movie": "R6", "customer": "R7", "row": "R8"}
    assert {value: one.name for value, one in searched_values(MINIFLUX).items()} == {
        "entry": "entry"
    }
    assert reader_of(MINIFLUX, "own") is None, "a DELETE is never a look"
    read = endpoint_of("entries_read", MINIFLUX)
    ask = alter(read, method="POST", expect=Expectation(contains="{entry}"))
    assert reader_of(alter(MINIFLUX, endpoints=(read,)), "entry") is None, "it writes"
    assert reader_of(alter(MINIFLUX, endpoints=(ask,)), "entry") == ask


def test_shares_follow_the_weights_but_none_is_too_small_to_prove_anything() -> None:
    assert load_shares({"a": 9, "b": 9, "c": 9}) == {"a": 1, "b": 1, "c": 1}
    weights = {one.name: one.sample.weight for one in THEIRS.load_endpoints()}
    shares = load_shares(weights)
    assert 7200 * min(shares.values()) / sum(shares.values()) > 299
    assert shares["entry"] == max(shares.values())


def test_users_ask_in_the_shares_of_the_file() -> None:
    for calls in (OURS, THEIRS):
        mix = UsersMix(calls, open_ledgers(calls))
        makers = mix.makers()
        made = Counter(maker().endpoint for maker in makers)
        for endpoint in calls.program.endpoints:
            if calls.program.find_kind(endpoint) not in ("create", "delete"):
                assert made[endpoint.id] == endpoint.sample.weight, endpoint.name
        writes = [
            one
            for one in calls.program.endpoints
            if calls.program.find_kind(one) in ("create", "delete")
        ]
        assert sum(made[one.id] for one in writes) == sum(one.sample.weight for one in writes)


def test_users_delete_only_what_they_created() -> None:
    mix = UsersMix(THEIRS, open_ledgers(THEIRS))
    ledger = mix.ledgers["own"]
    first = mix._delete("own")
    assert first.endpoint == "category_new", "there is nothing to delete yet"
    mix.note(first, Response(0, 0, 201, head=b'{"id": 12}'))
    delete = mix._delete("own")
    assert delete.path == "/v1/categories/12"
    mix.note(delete, Response(0, 0, 204))
    assert not ledger.open
    ledger.refusal = "its answers have no id"
    assert mix._create("own").method == "GET", "something that changes nothing, instead"
