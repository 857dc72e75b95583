"""Whether the service answers this machine: the addresses and ports that users call, asked over
the network as they do."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from ..engine.problem import Problem
from ..settings.bingo import SERVICE
from ..settings.settings import Settings

CONNECT = 1.0
"""Seconds for a connection. A lost packet is sent again after 1 s, so one more is allowed once
the first has failed."""
ANSWER = 3.0
"""Seconds for an answer: without any app node the balancer lets a request wait a moment before
it refuses it."""


def problems(settings: Settings) -> list[Problem]:
    """What keeps users out, as seen from here. Takes as long as the slowest of its questions,
    all asked at once."""
    asked: list[Callable[[], Problem | None]] = [
        lambda name=name, address=address, port=port: _port(settings, name, address, port)  # type: ignore[misc]
        for name, address in _addresses(settings)
        for port in (settings.edge.port, settings.edge.https_port)
    ]
    if not asked:
        return []
    with ThreadPoolExecutor(len(asked)) as pool:
        found = [problem for problem in pool.map(lambda ask: ask(), asked) if problem]
    return found or list(_answer(settings))


def _addresses(settings: Settings) -> list[tuple[str, str]]:
    """The floating address, or each edge's own."""
    edges = settings.inventory.having("edge")
    if settings.edge.address and edges:
        return [("the floating address", settings.edge.address)]
    return [(edge.name, edge.address) for edge in edges]


def _port(settings: Settings, name: str, address: str, port: int) -> Problem | None:
    result = connect(address, port)
    if not result:
        return None
    edges = [edge.name for edge in settings.inventory.having("edge")]
    mine = [edge for edge in edges if edge == name] or edges
    silent = "timed out" in result
    return Problem(
        f"this machine cannot reach {name} {address} port {port}, where users call: "
        + ("no answer, a firewall drops it?" if silent else result),
        f"on {' and '.join(mine)}: ss -ltn; nft list ruleset; and security groups: let TCP {port}"
        " in from everywhere",
        cause=silent,
        about=tuple(mine),
    )


def connect(address: str, port: int) -> str:
    """Open a connection and close it; empty when that succeeds, else the system's words in small
    letters."""
    for _ in range(2):
        try:
            socket.create_connection((address, port), timeout=CONNECT).close()
            return ""
        except TimeoutError:
            result = "timed out"
        except OSError as error:
            return (error.strerror or str(error)).lower()
    return result


def _answer(settings: Settings) -> Iterator[Problem]:
    """What the app answers through the edges: a 5xx is what every user gets then."""
    url, path = urlsplit(settings.service), SERVICE.health.path
    if not url.hostname:
        return
    names: Sequence[str] = [node.name for node in settings.inventory.having("app")]
    context = ssl._create_unverified_context()  # the certificate is not what is asked about
    connection: http.client.HTTPConnection = (
        http.client.HTTPSConnection(url.hostname, url.port, timeout=ANSWER, context=context)
        if url.scheme == "https"
        else http.client.HTTPConnection(url.hostname, url.port, timeout=ANSWER)
    )
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
        sentence = f"users get {status} from {settings.service}{path}" if status >= 500 else ""
    except (OSError, http.client.HTTPException) as error:
        sentence = (
            f"users get no answer from {settings.service}{path}:"
            f" {str(error) or type(error).__name__}"
        )
    finally:
        connection.close()
    if sentence:
        yield Problem(
            sentence,
            "fab status   (which nodes do the edges see?)",
            cause=False,
            about=tuple(names),
        )
