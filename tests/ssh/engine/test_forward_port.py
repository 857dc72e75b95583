"""A forwarded port: bytes go both ways, and what does not answer ends the connection."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from echo_server import answering

from fabfile.engine.forward import forward_port
from fabfile.engine.link import Link


@pytest.fixture
def echo() -> Iterator[int]:
    """A port that says everything twice."""
    with socket.create_server(("127.0.0.1", 0)) as server, answering(server):
        yield server.getsockname()[1]


def ask(port: int, text: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(text)
        return client.recv(100)


def test_bytes_go_both_ways(link: Link, echo: int) -> None:
    with forward_port(link, echo) as port, ThreadPoolExecutor(8) as pool:
        words = [f"word{number}".encode() for number in range(24)]
        assert list(pool.map(lambda word: ask(port, word), words)) == [w * 2 for w in words]


def test_a_port_nobody_listens_on_ends_the_connection(link: Link) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    # A reset instead of an end: what was sent was never read.
    with forward_port(link, closed) as port, contextlib.suppress(ConnectionResetError):
        assert ask(port, b"hello") == b""


def test_the_port_is_closed_afterwards(link: Link, echo: int) -> None:
    with forward_port(link, echo) as port:
        assert ask(port, b"a") == b"aa"
    with pytest.raises(ConnectionError):
        ask(port, b"a")
