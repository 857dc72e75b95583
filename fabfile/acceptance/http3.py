"""A real HTTP/3 client (aioquic): several requests on one connection, several fresh connections."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ..settings.bingo import SERVICE
from ..traffic.sample import Sample
from .tls import Secure

if TYPE_CHECKING:
    from .http3_client import Http3Client

TIMEOUT = 5.0
"""Seconds for a connection with its handshake, and for an answer."""

PATHS = (SERVICE.health.path, "/", SERVICE.health.database_path)
"""What is asked over QUIC, in turn."""

FIRST = "first"
"""Marks (as the arm) the first answer of a connection."""


async def ask_over_quic(secure: Secure, connections: int, each: int) -> list[Sample]:
    """`each` requests on each of `connections` fresh connections, all one after the other.

    A sample's time is that of its answer alone; the first of a connection counts from before the
    handshake. A connection that fails is one error: after it no more are tried, for each would take
    as long.
    """
    logging.getLogger("quic").setLevel(logging.CRITICAL)  # it tells stderr what our row tells
    samples = list[Sample]()
    for _ in range(connections):
        samples += await _one_connection(secure, each)
        if samples[-1].status == 0:
            break
    return samples


async def _one_connection(secure: Secure, each: int) -> list[Sample]:
    loop, samples = asyncio.get_running_loop(), list[Sample]()
    due = loop.time()
    try:
        async with _connect_client(secure) as client:
            for number in range(each):
                async with asyncio.timeout(TIMEOUT):
                    status = await client.get(PATHS[number % len(PATHS)])
                samples.append(_make_sample(due, loop.time(), status, number))
                due = loop.time()
    except (OSError, TimeoutError, ValueError) as error:
        kind = (
            "timed out" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
        )
        samples.append(_make_sample(due, loop.time(), 0, len(samples), kind))
    return samples


def _make_sample(due: float, done: float, status: int, number: int, error: str = "") -> Sample:
    error = error or ("" if status == 200 else f"status {status}")
    return Sample(
        endpoint="R15",
        intended=due,
        woke=due,
        sent=due,
        done=done,
        status=status,
        error=error,
        arm="" if number else FIRST,
    )


@asynccontextmanager
async def _connect_client(secure: Secure) -> AsyncIterator[Http3Client]:
    """A client whose handshake is over.

    Raises:
        TimeoutError: nothing answers over UDP.
        OSError: the server or the network refused, or its certificate is not the authority's.
    """
    from aioquic.quic.configuration import QuicConfiguration
    from aioquic.quic.connection import QuicConnection

    from .http3_client import Http3Client

    configuration = QuicConfiguration(
        is_client=True, alpn_protocols=["h3"], server_name=secure.called
    )
    if secure.bundle:
        configuration.load_verify_locations(cafile=str(secure.bundle))
    else:
        configuration.verify_mode = ssl.CERT_NONE
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(secure.host, secure.port, type=socket.SOCK_DGRAM)
    family, address = found[0][0], found[0][4]
    local = ("::" if family == socket.AF_INET6 else "0.0.0.0", 0)
    transport, client = await loop.create_datagram_endpoint(
        lambda: Http3Client(secure.called, QuicConnection(configuration=configuration)),
        local_addr=local,
    )
    try:
        client.connect(address)
        async with asyncio.timeout(TIMEOUT):
            await client.handshake()
        yield client
    finally:
        client.close()
        transport.close()
