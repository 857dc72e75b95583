"""What the edge keeps, and what it does not: /long_dummy for less than a minute, everything else
never (R16, R4 to R13)."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import NamedTuple

import pytest
from deployed import NODES, Deployed, on_each_host, unhealed, until, wait_until_up
from edgetools import Answer, ask, asked, counts, operate, port
from labtools import Ssh

ILL = 5 << 32
"""Operation after which the app answers 500 to everything until it is restarted."""
QUICK = 0.1  # seconds: no request to the app took part, which takes 3 s
AGE = 60  # seconds: no answer is older


@pytest.fixture(scope="module")
def edge(deployed: Deployed, ssh: Ssh) -> Iterator[str]:
    """edge1's own address. Both edges' refreshers are off meanwhile: they count at the app, too."""
    wait_until_up(ssh)
    for name in ("edge1", "edge2"):
        ssh(name, "systemctl stop runbook-refresher")
    yield deployed.lab.address("edge1")
    for name in ("edge1", "edge2"):
        ssh(name, "systemctl start runbook-refresher")


def cold() -> str:
    """A form of /long_dummy that nobody asked for yet."""
    return f"/long_dummy?{secrets.token_hex(8)}"


def together(address: str, paths: list[str], method: str = "GET") -> list[Answer]:
    """The answers to requests sent at the same time."""
    with ThreadPoolExecutor(len(paths)) as pool:
        return list(pool.map(lambda path: ask(address, path, method), paths))


def long_dummies(ssh: Ssh, edge: str = "edge1") -> int:
    """How often the app was asked for /long_dummy."""
    return counts(ssh, edge)["ep_long_dummy"]


class Watched(NamedTuple):
    """What a minute showed of an answer that was asked for twice a second, and a second one made
    then and left alone."""

    first: Answer
    oldest: float
    """Seconds since the first request began, at the last answer with the same body."""
    times: list[float]
    """How long answers with that body took, in seconds; without the first."""
    last: Answer
    left: tuple[str, bytes]
    """The other's path and body."""


@pytest.fixture(scope="module")
def watched(edge: str) -> Watched:
    path, other = cold(), cold()
    began = time.monotonic()
    first, second = together(edge, [path, other])
    assert (first.status, second.status) == (200, 200)
    oldest, times, last = 0.0, [], first
    while time.monotonic() - began < AGE + 2:
        time.sleep(0.5)
        last = ask(edge, path)
        if last.body == first.body:
            oldest = time.monotonic() - began
            times.append(last.seconds)
    return Watched(first, oldest, times, last, (other, second.body))


def test_the_second_answer_is_the_first_at_once(edge: str) -> None:
    path = cold()
    first = ask(edge, path)
    again = [ask(edge, path) for _ in range(5)]
    assert first.status == 200
    assert first.seconds > 1
    assert {answer.body for answer in again} == {first.body}
    assert median(answer.seconds for answer in again) < QUICK


def test_many_at_once_make_the_app_work_once(edge: str, ssh: Ssh) -> None:
    before = long_dummies(ssh)
    answers = together(edge, [cold()] * 12)
    assert long_dummies(ssh) == before + 1
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1


def test_another_query_is_another_answer(edge: str, ssh: Ssh) -> None:
    paths = [cold(), cold()]
    before = long_dummies(ssh)
    one, two = together(edge, paths)
    assert long_dummies(ssh) == before + 2
    assert one.body != two.body
    assert [answer.body for answer in together(edge, paths)] == [one.body, two.body]
    assert long_dummies(ssh) == before + 2


def test_each_edge_keeps_its_own(deployed: Deployed, edge: str, ssh: Ssh) -> None:
    path, before = cold(), long_dummies(ssh, "edge2")
    here = ask(edge, path)
    there = ask(deployed.lab.address("edge2"), path)
    assert (here.status, there.status) == (200, 200)
    assert here.body != there.body
    assert long_dummies(ssh, "edge2") == before + 1


def test_a_post_is_neither_kept_nor_answered_from_what_is_kept(edge: str, ssh: Ssh) -> None:
    path = cold()
    kept = ask(edge, path)
    before = long_dummies(ssh)
    posted = together(edge, [path, path], "POST")
    assert long_dummies(ssh) == before + 2
    assert len({kept.body, *(answer.body for answer in posted)}) == 3
    assert ask(edge, path).body == kept.body


def test_nothing_else_is_kept(edge: str, ssh: Ssh) -> None:
    """Each request reaches the app, and what bears the app's time bears another one each time."""
    timed = {
        "/db_dummy": "ep_db_dummy",
        "/api/movie/7": "ep_movie",
        "/api/customer/7": "ep_customer",
    }
    timed |= {"/api/session/7": "ep_session", "/no/such/path": "ep_other"}
    paths = timed | {
        "/": "ep_root",
        "/ping": "ep_ping",
        "/api/movie": "ep_movies",
        "/api/customer": "ep_customers",
    }
    before = counts(ssh)
    answers = {path: [ask(edge, path) for _ in range(3)] for path in paths}
    assert asked(before, counts(ssh)) == dict.fromkeys(paths.values(), 3)
    for path in timed:
        assert len({answer.json["time"] for answer in answers[path]}) == 3, path
    before = counts(ssh)
    operated = [operate(edge, 0) for _ in range(3)]
    assert asked(before, counts(ssh)) == {"ep_operation": 3}
    assert len({answer.json["time"] for answer in operated}) == 3


def test_the_refresher_renews_before_anybody_waits(edge: str, ssh: Ssh) -> None:
    """The kept answer would be good for long yet."""
    first, waited = ask(edge, "/long_dummy"), list[float]()
    ssh("edge1", "systemctl start runbook-refresher")

    def renewed() -> bool:
        answer = ask(edge, "/long_dummy")
        waited.append(answer.seconds)
        return answer.body != first.body

    try:
        until(renewed, "another answer by the refresher", 10)
    finally:
        ssh("edge1", "systemctl stop runbook-refresher")
    assert median(waited) < QUICK
    assert max(waited) < 1


def test_no_answer_is_older_than_a_minute_without_the_refresher(watched: Watched) -> None:
    assert 45 < watched.oldest < AGE
    assert watched.last.status == 200
    assert watched.last.body != watched.first.body
    assert median(watched.times) < QUICK


def test_an_ill_apps_answer_is_not_kept_and_no_old_one_is_served(
    watched: Watched, deployed: Deployed, edge: str, ssh: Ssh
) -> None:
    """The answer that was left alone is more than a minute old now; the app can give no other."""
    old, body = watched.left
    new = cold()
    with unhealed(ssh):
        for node in NODES:
            assert operate(f"{deployed.lab.address(node)}:{port(ssh)}", ILL).status == 500
        try:
            for path in (old, new):
                answer = ask(edge, path)
                assert answer.status >= 500, answer
                assert body not in answer.body
        finally:
            on_each_host(lambda node: ssh(node, "systemctl restart bingo"), NODES)
            wait_until_up(ssh)
    for answer in together(edge, [old, new]):
        assert answer.status == 200
        assert answer.body != body
