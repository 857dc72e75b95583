"""Make requests over HTTP/3 with a real client (aioquic), on several fresh connections."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ..settings.requirements import HTTP3
from ..traffic.client import Client, Request
from ..traffic.sample import Sample
from .run_state import CheckRun
from .tls import Secure

if TYPE_CHECKING:
    from .http3_client import Http3Client

TIMEOUT = 5.0
"""Seconds for a connection with its handshake, and again for each answer."""

KINDS = 3
"""How many kinds of answers are requested, in turn."""

FIRST_ANSWER = "first"
"""The `arm` of the first sample of a connection, whose time includes the handshake."""


async def ask_over_quic(run: CheckRun, secure: Secure) -> list[Sample]:
    """Make the plan's requests on each of its fresh connections, one after the other.

    The time of a connection's first sample includes the handshake. A failed connection is one
    error and ends the test, because every further connection would wait for the same time-out.
    """
    # aioquic logs to stderr what the row of R15 reports.
    logging.getLogger("quic").setLevel(logging.CRITICAL)
    samples: list[Sample] = []
    reads = [one for one in run.calls.load_endpoints() if one.request_method == "GET"]
    requests = [run.calls.live_call(), *map(run.calls.make, reads)][:KINDS]
    for _ in range(run.plan.quic_connections):
        samples += await _use_connection(secure, run.client, requests, run.plan.quic_each)
        if samples[-1].status == 0:
            break
    return samples


async def _use_connection(
    secure: Secure, plain: Client, requests: Sequence[Request], each: int
) -> list[Sample]:
    loop = asyncio.get_running_loop()
    samples: list[Sample] = []
    due = loop.time()
    try:
        async with _connect_client(secure) as client:
            for number in range(each):
                request = requests[number % len(requests)]
                headers = {name: text.reveal() for name, text in plain.headers.items()}
                async with asyncio.timeout(TIMEOUT):
                    status = await client.get(request.path, headers | dict(request.headers))
                right = status in (*request.expect.status, *request.expect.absent)
                error = "" if right else f"status {status}"
                samples.append(
                    _make_sample(due, loop.time(), number=number, status=status, error=error)
                )
                due = loop.time()
    except TimeoutError:
        failure = "timed out"
    except (OSError, ValueError) as exception:
        failure = str(exception) or type(exception).__name__
    else:
        return samples
    samples.append(_make_sample(due, loop.time(), number=len(samples), status=0, error=failure))
    return samples


def _make_sample(due: float, done: float, *, number: int, status: int, error: str) -> Sample:
    return Sample(
        endpoint=HTTP3.id,
        intended=due,
        woke=due,
        sent=due,
        done=done,
        status=status,
        error=error,
        arm="" if number else FIRST_ANSWER,
    )


@asynccontextmanager
async def _connect_client(secure: Secure) -> AsyncIterator[Http3Client]:
    """A connected client.

    Raises:
        TimeoutError: nothing answers over UDP.
        OSError: the server or the network refused, or the certificate cannot be verified.
    """
    from aioquic.quic.configuration import QuicConfiguration
    from aioquic.quic.connection import QuicConnection

    from .http3_client import Http3Client

    configuration = QuicConfiguration(
        is_client=True, alpn_protocols=["h3"], server_name=secure.server_name
    )
    if secure.bundle:
        configuration.load_verify_locations(cafile=str(secure.bundle))
    else:
        configuration.verify_mode = ssl.CERT_NONE
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(secure.host, secure.port, type=socket.SOCK_DGRAM)
    family, *_, address = found[0]
    transport, client = await loop.create_datagram_endpoint(
        lambda: Http3Client(secure.server_name, QuicConnection(configuration=configuration)),
        local_addr=("::" if family == socket.AF_INET6 else "0.0.0.0", 0),
    )
    try:
        client.connect(address)
        async with asyncio.timeout(TIMEOUT):
            await client.handshake()
        yield client
    finally:
        client.close()
        transport.close()
