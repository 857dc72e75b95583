"""Whether the service answers this machine, at the addresses and ports that users call."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import urlsplit

from ..control.site_front import find_front
from ..engine.problem import Problem
from ..roles.health_page import list_headers
from ..settings.settings import Settings

CONNECT_SECONDS = 1.0
"""Seconds for a connection attempt. TCP resends a lost packet only after 1 s, so a second attempt
follows."""
ANSWER_SECONDS = 3.0
"""Seconds for an answer: without a healthy app node the balancer queues a request before it rejects
it."""


def find_entrance_problems(settings: Settings) -> list[Problem]:
    """Return what keeps users out, as seen from this machine. All checks run at the same time."""
    checks: list[Callable[[], Problem | None]] = [
        partial(_check_port, settings, name, address, port)
        for name, address, port in _list_entrances(settings)
    ]
    if not checks:
        return []
    with ThreadPoolExecutor(len(checks)) as pool:
        found = [problem for problem in pool.map(lambda check: check(), checks) if problem]
    return found or list(_check_answer(settings))


def _list_entrances(settings: Settings) -> list[tuple[str, str, int]]:
    """Return each address and port that users call, with a name."""
    edges, url = settings.inventory.having("edge"), urlsplit(settings.service)
    ports = (settings.edge.port, settings.edge.https_port)
    own = {settings.edge.address, *(edge.address for edge in edges)}
    if url.hostname and url.hostname not in own:
        # The hosts' own addresses may be private: this machine reaches them through a bastion.
        port = url.port or (443 if url.scheme == "https" else 80)
        return [("the service", url.hostname, port)]
    addresses = [(edge.name, edge.address) for edge in edges]
    front = find_front(settings)
    if front.address and edges:
        addresses = [(front.name, front.address)]
    return [(name, address, port) for name, address in addresses for port in ports]


def _check_port(settings: Settings, name: str, address: str, port: int) -> Problem | None:
    result = try_connection(address, port)
    if not result:
        return None
    edges = [edge.name for edge in settings.inventory.having("edge")]
    affected = [edge for edge in edges if edge == name] or edges
    silent = "timed out" in result
    return Problem(
        f"this machine cannot reach {name} {address} port {port}, where users call: "
        + ("no answer, a firewall drops it?" if silent else result),
        f"on {' and '.join(affected)}: ss -ltn; nft list ruleset; and security groups: let TCP"
        f" {port} in from everywhere",
        cause=silent,
        about=tuple(affected),
    )


def try_connection(address: str, port: int) -> str:
    """Open a connection and close it.

    Returns the error of the system in lower case; empty if the connection succeeded.
    """
    for _ in range(2):
        try:
            socket.create_connection((address, port), timeout=CONNECT_SECONDS).close()
            return ""
        except TimeoutError:
            result = "timed out"
        except OSError as error:
            return (error.strerror or str(error)).lower()
    return result


def _check_answer(settings: Settings) -> Iterator[Problem]:
    """Yield a problem if the app answers a 5xx, or nothing, through the edges."""
    url, page = urlsplit(settings.service), settings.program.health.live
    path = page.path
    if not url.hostname:
        return
    names: Sequence[str] = [node.name for node in settings.inventory.having("app")]
    # Whether the certificate is valid is the question of `inv certs.status`.
    context = ssl._create_unverified_context()
    connection: http.client.HTTPConnection = (
        http.client.HTTPSConnection(url.hostname, url.port, timeout=ANSWER_SECONDS, context=context)
        if url.scheme == "https"
        else http.client.HTTPConnection(url.hostname, url.port, timeout=ANSWER_SECONDS)
    )
    try:
        connection.request(page.method, path, page.content or None, list_headers(page))
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
