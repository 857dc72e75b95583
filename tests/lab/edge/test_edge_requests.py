"""What a client writes reaches the app as it is, from any edge in any state; and who names no
host means the service."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator

import pytest
from deployed import EDGES, Deployed, until, wait_until_up
from edgetools import Wire
from floating import holder, other
from labtools import Runner, Ssh

PATHS = (
    "//api/movie/1",
    "/api/session/../movie/1",
    "/api/%2e%2e/api%2Fmovie/1",
    "/%61pi/movie/1;a=b",
    "/./api//movie/1/",
    "/api/movie/1?x=%2F&y=a/../b//c",
    "/api/movie/1?",
    "//long_dummy",
    "/ping?" + "a" * 7000,
)


def exchange(address: str, request: bytes) -> bytes:
    """All that comes back until the edge closes the connection."""
    answer = b""
    with socket.create_connection((address, 80), timeout=20) as connection:
        connection.sendall(request)
        while part := connection.recv(65536):
            answer += part
    return answer


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.fixture(scope="module")
def drained(deployed: Deployed, ssh: Ssh, run_fab: Runner) -> Iterator[str]:
    """The edge that an operator has drained."""
    wait_until_up(ssh)
    name = holder(deployed.lab, ssh)
    assert run_fab("-H", name, "drain", "--reason", "a look inside").code == 0
    yield name
    assert run_fab("-H", name, "undrain").code == 0


@pytest.mark.parametrize("path", PATHS, ids=[path[:30] for path in PATHS])
@pytest.mark.parametrize("in_service", [True, False], ids=["serving", "drained"])
def test_the_app_gets_the_path_as_it_was_written(
    deployed: Deployed, drained: str, path: str, *, in_service: bool
) -> None:
    """Seen on the cable between the edge and the app nodes."""
    edge, mark = (other(drained) if in_service else drained), secrets.token_hex(8)
    target = f"{path}{'&' if '?' in path else '?'}{mark}"
    with Wire(deployed.lab, edge) as wire:
        answer = exchange(
            deployed.lab.address(edge),
            f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode(),
        )
        until(
            lambda: any(mark.encode() in part for part in wire.sent),
            "the request on its way to the app",
            5,
        )
    assert answer.startswith(b"HTTP/1.1 ")
    # By packet: between two of ours there may be one of a healer's connection.
    lines = [line for part in wire.sent for line in part.split(b"\r\n") if mark.encode() in line]
    assert f"GET {target} HTTP/1.1".encode() in lines


@pytest.mark.parametrize("in_service", [True, False], ids=["serving", "drained"])
def test_a_post_keeps_its_body_and_a_kept_answer_stays_one(
    deployed: Deployed, drained: str, *, in_service: bool
) -> None:
    address = deployed.lab.address(other(drained) if in_service else drained)
    body = b'{"operation": 7}'
    head = (
        "POST /operation HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length:"
        f" {len(body)}\r\n\r\n".encode()
    )
    assert status(exchange(address, head + body)) == 200
    ask = b"GET /long_dummy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    first, second = exchange(address, ask), exchange(address, ask)
    assert b"\r\nX-Cache-Status: HIT\r\n" in second
    assert first.partition(b"\r\n\r\n")[2] == second.partition(b"\r\n\r\n")[2]
    assert (
        status(
            exchange(address, b"GET /edge-health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        )
        == 404
    )


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize(
    "request_line",
    ["GET /ping HTTP/1.0", "HEAD / HTTP/1.0", "GET /api/movie/1 HTTP/1.0", "GET /ping"],
)
def test_a_probe_that_names_no_host_is_answered(
    deployed: Deployed, drained: str, edge: str, request_line: str
) -> None:
    mark = secrets.token_hex(8)
    method, path, *version = request_line.split()
    request = " ".join([method, f"{path}?{mark}", *version]).encode() + b"\r\n\r\n"
    with Wire(deployed.lab, edge) as wire:
        answer = exchange(deployed.lab.address(edge), request)
        headers = wire.request(mark)
    assert status(answer) == 200 if version else answer == b"pong"
    assert headers["host"] == [deployed.lab.floating]


def test_a_host_that_is_named_is_passed_on(deployed: Deployed, drained: str) -> None:
    mark, address = secrets.token_hex(8), deployed.lab.address(drained)
    with Wire(deployed.lab, drained) as wire:
        answer = exchange(address, f"GET /ping?{mark} HTTP/1.0\r\nHost: {address}\r\n\r\n".encode())
        headers = wire.request(mark)
    assert status(answer) == 200
    assert headers["host"] == [address]
