"""A minimal HTTP client, and a readiness check for PostgreSQL. Each exchange has one deadline."""

from __future__ import annotations

import socket
import time
from typing import NamedTuple

MAX_BYTES = 1 << 20
"""The most bytes of a response that are read."""

CANNOT_CONNECT_NOW = b"57P03"
"""PostgreSQL's error code while it starts up, shuts down or recovers."""

PROTOCOL_3_0 = 196608
"""PostgreSQL's protocol version 3.0 in a startup packet: 3 << 16."""


class HttpResponse(NamedTuple):
    """An HTTP response; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: str


def request(
    address: str, port: int, path: str, *, post: str | None = None, timeout: float = 1.0
) -> HttpResponse:
    """GET `path`, or POST the body `post`; `timeout` is in seconds for the whole exchange.

    Raises:
        OSError: no connection, no response in time (TimeoutError), or a response that is no HTTP
        (ConnectionError).
    """
    method = "GET" if post is None else "POST"
    head = f"{method} {path} HTTP/1.0\r\nHost: localhost\r\n"
    if post is not None:
        head += "Content-Type: application/x-www-form-urlencoded\r\n"
        head += f"Content-Length: {len(post)}\r\n"
    return send_request(address, port, f"{head}\r\n{post or ''}", timeout=timeout)


def send_request(address: str, port: int, text: str, *, timeout: float) -> HttpResponse:
    """Send `text`, a whole request of HTTP/1.0; `timeout` and errors as for `request`."""
    response = _exchange(address, port, text.encode(), max_bytes=MAX_BYTES, timeout=timeout)
    head, _, body = response.decode("latin-1").partition("\r\n\r\n")
    status_line, *header_lines = head.split("\r\n")
    words = status_line.split()
    if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdigit():
        problem = (
            f"no HTTP answer: {status_line[:40]!r}" if status_line else "the connection was closed"
        )
        raise ConnectionError(problem)
    headers = {}
    for line in header_lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return HttpResponse(int(words[1]), headers, body)


def is_database_ready(address: str, port: int, user: str, name: str, timeout: float = 1.0) -> bool:
    """Return whether PostgreSQL accepts connections.

    As pg_isready does, it sends a startup packet and reads only the first message: a request to
    authenticate, and any error but CANNOT_CONNECT_NOW, mean that the server is ready.
    """
    parameters = f"user\0{user}\0database\0{name}\0application_name\0healer\0\0".encode()
    length = len(parameters) + 8  # the length and the version count, too
    packet = length.to_bytes(4, "big") + PROTOCOL_3_0.to_bytes(4, "big") + parameters
    try:
        message = _exchange(
            address, port, packet, max_bytes=1024, timeout=timeout, first_piece=True
        )
    except OSError:
        return False
    if message.startswith(b"E"):
        return CANNOT_CONNECT_NOW not in message
    return message.startswith(b"R")


def _exchange(
    address: str,
    port: int,
    data: bytes,
    *,
    max_bytes: int,
    timeout: float,
    first_piece: bool = False,
) -> bytes:
    """Send `data`; return the response up to its end or `max_bytes`, or only its first piece."""
    deadline = time.monotonic() + timeout
    with socket.create_connection((address, port), timeout=timeout) as connection:
        connection.sendall(data)
        received = b""
        while len(received) < max_bytes:
            # Each wait gets only what is left: many slow pieces must not add up.
            connection.settimeout(max(0.001, deadline - time.monotonic()))
            piece = connection.recv(65536)
            if not piece:
                break
            received += piece
            if first_piece:
                break
        return received
