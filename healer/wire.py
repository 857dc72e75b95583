"""The few bytes of HTTP and of PostgreSQL's protocol that are needed, with one deadline for the
whole exchange."""

from __future__ import annotations

import socket
import time
from typing import NamedTuple

MOST = 1 << 20
"""Bytes of an answer that are read at most."""

NOT_YET = b"57P03"
"""PostgreSQL's code for: starting up, shutting down, or recovering."""


class Answer(NamedTuple):
    """An HTTP answer; header names in small letters."""

    status: int
    headers: dict[str, str]
    body: str


def ask(
    address: str, port: int, path: str, *, post: str | None = None, timeout: float = 1.0
) -> Answer:
    """GET `path`, or POST a body to it; `timeout` seconds for all of it.

    Raises:
        OSError: no connection, no answer in time (TimeoutError), or none that is HTTP
        (ConnectionError).
    """
    head = f"{'GET' if post is None else 'POST'} {path} HTTP/1.0\r\nHost: localhost\r\n"
    if post is not None:
        head += (
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(post)}\r\n"
        )
    raw = _exchange(address, port, f"{head}\r\n{post or ''}".encode(), MOST, timeout)
    top, _, body = raw.decode("latin-1").partition("\r\n\r\n")
    first, *lines = top.split("\r\n")
    words = first.split()
    if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdigit():
        raise ConnectionError(
            f"no HTTP answer: {first[:40]!r}" if first else "the connection was closed"
        )
    fields = (line.partition(":") for line in lines)
    return Answer(int(words[1]), {name.lower(): value.strip() for name, _, value in fields}, body)


def database_accepts(address: str, port: int, user: str, name: str, timeout: float = 1.0) -> bool:
    """Whether PostgreSQL lets clients in, told from its first word to a connection that goes no
    further (as pg_isready does)."""
    words = f"user\0{user}\0database\0{name}\0application_name\0healer\0\0".encode()
    packet = (len(words) + 8).to_bytes(4, "big") + (196608).to_bytes(4, "big") + words
    try:
        said = _exchange(address, port, packet, 1024, timeout, once=True)
    except OSError:
        return False
    return said[:1] == b"R" or (said[:1] == b"E" and NOT_YET not in said)


def _exchange(
    address: str, port: int, data: bytes, most: int, timeout: float, *, once: bool = False
) -> bytes:
    """What is answered to `data`, up to its end or `most` bytes; `once`: the first piece of it."""
    end = time.monotonic() + timeout
    with socket.create_connection((address, port), timeout=timeout) as connection:
        connection.sendall(data)
        got = b""
        while len(got) < most:
            connection.settimeout(max(0.001, end - time.monotonic()))
            piece = connection.recv(65536)
            if not piece:
                break
            got += piece
            if once:
                break
        return got
