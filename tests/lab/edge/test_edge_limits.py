"""What the edge refuses, what it endures, and what it lets through."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from deployed import NODES, Deployed, wait_until_up
from edgetools import ask, asked, counts
from labtools import Ssh

TIMEOUT = 10  # seconds that nginx grants a client for its header, and between two parts of its body
KB = 1024


@pytest.fixture(scope="module")
def edge(deployed: Deployed, ssh: Ssh) -> str:
    """edge1's own address."""
    wait_until_up(ssh)
    return deployed.lab.address("edge1")


def padded(size: int) -> bytes:
    """A harmless operation of `size` bytes."""
    empty = len(json.dumps({"operation": 0, "pad": ""}))
    return json.dumps({"operation": 0, "pad": "x" * (size - empty)}).encode()


def test_a_body_may_have_64_kilobytes(edge: str, ssh: Ssh) -> None:
    before = counts(ssh)
    assert ask(edge, "/operation", "POST", body=padded(64 * KB)).status == 200
    assert ask(edge, "/operation", "POST", body=padded(64 * KB + 1)).status == 413
    assert asked(before, counts(ssh)) == {"ep_operation": 1}  # the second never left nginx


def test_a_body_of_unsaid_length_has_the_same_limit(edge: str, ssh: Ssh) -> None:
    before = counts(ssh)
    with socket.create_connection((edge, 80), 5) as client:
        client.sendall(b"POST /operation HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.sendall(b"10000\r\n" + b"x" * 64 * KB + b"\r\n")
        client.sendall(b"1\r\nx\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 413 ")
    assert asked(before, counts(ssh)) == {}


@pytest.mark.parametrize(
    ("number", "size"), [(1, 9 * KB), (3, 7 * KB), (6, 7 * KB)], ids=["one", "many", "more"]
)
def test_a_big_header_is_the_clients_fault(edge: str, number: int, size: int) -> None:
    """Whichever of nginx and HAProxy finds it too big: no 5xx, which would be ours."""
    answer = ask(edge, "/ping", headers={f"X-Big-{n}": "x" * size for n in range(number)})
    assert answer.status in (400, 431)


def test_a_header_of_7_kilobytes_is_none(edge: str) -> None:
    assert ask(edge, "/ping", headers={"X-Big": "x" * 7 * KB}).body == b"pong"


HEADER = b"GET /ping HTTP/1.1\r\nHost: x\r\n"
BODY = b"POST /operation HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n{"


def test_slow_clients_are_shown_the_door(edge: str) -> None:
    """One that sends its header drop by drop for ever, one that never ends its body, one that
    says nothing at all."""
    with ThreadPoolExecutor(3) as pool:
        times = [
            pool.submit(lasts, edge, begin, drip)
            for begin, drip in ((HEADER, b"x"), (BODY, b""), (b"", b""))
        ]
        for time_ in times:
            assert TIMEOUT - 1 < time_.result() < TIMEOUT + 4


def lasts(address: str, begin: bytes, drip: bytes) -> float:
    """Seconds for which the edge bears with a client that sends `begin`, then `drip` twice a
    second."""
    began = time.monotonic()
    with socket.create_connection((address, 80), 2) as client:
        client.sendall(begin)
        client.settimeout(0.5)
        while time.monotonic() - began < 3 * TIMEOUT:
            try:
                if not client.recv(KB):
                    break
            except TimeoutError:
                pass
            except OSError:
                break
            try:
                client.sendall(drip)
            except OSError:
                break
    return time.monotonic() - began


UNKNOWN = [
    "/no/such/path",
    "/wp-login.php",
    "/api/movie/abc",
    "/api/movie/7/",
    "/operation/",
    "/.git/config",
    "//",
]


def test_unknown_paths_count_for_no_endpoint(edge: str, ssh: Ssh) -> None:
    before = counts(ssh)
    answers = {path: ask(edge, path) for path in UNKNOWN}
    assert asked(before, counts(ssh)) == {"ep_other": len(UNKNOWN)}
    assert answers["/no/such/path"].status == 404
    assert answers["/no/such/path"].json["error"] == "not found"  # the app's own words


@pytest.fixture
def slow_database(ssh: Ssh) -> Iterator[float]:
    """Reads of the database take this many seconds longer."""
    seconds = 6.0  # beyond what other endpoints are granted (2 s)
    for node in NODES:
        ssh(
            node,
            f"sed -i '/^slow_ms/d' /etc/bingo-lab.conf; echo 'slow_ms = {seconds * 1000:.0f}'"
            " >>/etc/bingo-lab.conf",
        )
    time.sleep(1.1)  # the stand-in reads the file once a second
    yield seconds
    for node in NODES:
        ssh(node, "sed -i '/^slow_ms/d' /etc/bingo-lab.conf")
    time.sleep(1.1)


def test_a_list_may_take_its_time(edge: str, slow_database: float) -> None:
    with ThreadPoolExecutor(3) as pool:
        lists = [
            pool.submit(ask, edge, f"/api/{name}") for name in ("session", "movie", "customer")
        ]
        for one in lists:
            answer = one.result()
            assert answer.status == 200, answer.body[:200]
            assert answer.seconds > slow_database
            assert len(answer.json) > 1000
