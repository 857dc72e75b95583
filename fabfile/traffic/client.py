"""One request over the network, and everything about its response that a verdict may need."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from ..engine.errors import RunbookError

if TYPE_CHECKING:
    import ssl

    from aiohttp import ClientResponse, ClientSession

CONNECTIONS = 400
"""Connections open at a time; the original acceptance test opens as many."""

KEEP_IDLE = 4.0
"""Seconds an idle connection is kept. Every server here keeps it longer, so no request is sent on
a connection that is just being closed."""

HEAD = 65536
"""Bytes of a body that are kept. Nobody reads more than the beginning of a list."""

ADMISSION = re.compile(r"(?<!=)\b(hit|stale|updating|revalidated)\b", re.IGNORECASE)
"""Matches in X-Cache, X-Cache-Status, CF-Cache-Status, Cache-Status …; not `fwd=stale`, which means
that the cache *did* ask the service."""


class Request(NamedTuple):
    """A request to make. The body of a right answer contains `needle` (with `whole`: is `needle`).

    `arm` names the way of asking, where two ways are compared.
    """

    endpoint: str
    method: str
    path: str
    body: bytes | None = None
    needle: bytes = b""
    whole: bool = False
    arm: str = ""


@dataclass(frozen=True)
class Response:
    """What came back. Times are the event loop's, in seconds; `error` is empty for a right answer.

    `found`: whether `seek` (of `Client.ask`) was anywhere in the body.
    """

    sent: float
    done: float
    status: int = 0
    error: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    head: bytes = b""
    size: int = 0
    digest: str = ""
    found: bool = False

    @property
    def seconds(self) -> float:
        """Seconds from sending the request to the end of the answer."""
        return self.done - self.sent

    @property
    def mark(self) -> str:
        """The header that shows that a cache gave the answer; empty if there is none."""
        return next(
            (
                f"{name}: {value}"
                for name, value in self.headers.items()
                if _admits_cache(name.lower(), value)
            ),
            "",
        )


def _admits_cache(name: str, value: str) -> bool:
    if name == "age":
        return value.strip().isdigit() and int(value) > 0
    if name == "x-cache-hits":
        return any(part.strip() not in ("", "0") for part in value.split(","))
    return "cache" in name and name != "cache-control" and bool(ADMISSION.search(value))


def base_url(address: str) -> str:
    """`10.0.0.1`, `host:8080` or `http://host` as `http://host[:port]`.

    Raises:
        RunbookError: it is not the address of an http service.
    """
    text = address.strip().rstrip("/")
    parts = urlsplit(text if "://" in text else f"http://{text}")
    try:
        port_is_right = parts.port is None or parts.port > 0
    except ValueError:
        port_is_right = False
    if (
        parts.scheme != "http"
        or not parts.hostname
        or parts.path
        or parts.query
        or not port_is_right
    ):
        raise RunbookError(
            f"{address!r} is not the address of a service",
            "the acceptance asks the service as its users do, over plain http",
            "give it as http://HOST or http://HOST:PORT",
        )
    return f"http://{parts.netloc}"


class Client:
    """Sends requests to one service; at most CONNECTIONS are in flight at a time."""

    def __init__(self, session: ClientSession, base: str, server_name: str | None = None) -> None:
        self.base = base
        self._session = session
        self._server_name = server_name
        self._slots = asyncio.Semaphore(CONNECTIONS)

    async def ask(
        self, request: Request, *, timeout: float, due: float | None = None, seek: bytes = b""
    ) -> Response:
        """Make the request and read the whole answer. A failure of the service or the network is
        in the response; it raises nothing.

        Args:
            request: the request to send.
            timeout: seconds, counted from `due`.
            due: when it should have been sent (loop time); now if not given.
            seek: bytes to look for in the whole body, however long it is.
        """
        loop = asyncio.get_running_loop()
        due = loop.time() if due is None else due
        sent = due
        try:
            async with asyncio.timeout_at(due + timeout), self._slots:
                sent = loop.time()
                return await self._exchange_once(request, sent, seek)
        except Exception as error:
            # A slot that never came free leaves `sent` at `due`: the request was due, and the
            # service kept it waiting.
            return Response(sent, loop.time(), error=failure_kind(error))

    async def _exchange_once(self, request: Request, sent: float, seek: bytes) -> Response:
        kind = {"Content-Type": "application/json"} if request.body is not None else None
        async with self._session.request(
            request.method,
            self.base + request.path,
            data=request.body,
            headers=kind,
            allow_redirects=False,
            server_hostname=self._server_name,
        ) as response:
            head, size, digest, found = await _read_body(response, seek)
            error = _judge_answer(request, response.status, head, size)
            done = asyncio.get_running_loop().time()
            return Response(
                sent=sent,
                done=done,
                status=response.status,
                error=error,
                headers=response.headers,
                head=head,
                size=size,
                digest=digest,
                found=found,
            )


async def _read_body(response: ClientResponse, seek: bytes) -> tuple[bytes, int, str, bool]:
    """The body's beginning, length and digest, and whether it contains `seek`. A long list is never
    in memory as a whole."""
    digest = hashlib.blake2b(digest_size=16)
    head = b""
    size = 0
    found = False
    rest = b""
    async for chunk in response.content.iter_any():
        digest.update(chunk)
        size += len(chunk)
        if len(head) < HEAD:
            head += chunk[: HEAD - len(head)]
        if seek and not found:
            rest += chunk
            found = seek in rest
            rest = rest[-len(seek) :]
    return head, size, digest.hexdigest(), found


def _judge_answer(request: Request, status: int, head: bytes, size: int) -> str:
    """Why an answer is wrong, in a few words; empty for a right one."""
    right = status == 200 if request.method == "GET" else status in (200, 201, 202, 204)
    if not right:
        return f"status {status}"
    if request.method == "GET" and not size:
        return "empty answer"
    right = head.strip() == request.needle if request.whole else request.needle in head
    return "" if right else "answers something else"


def failure_kind(error: BaseException) -> str:
    """The kind of a failed request in two or three words, the same for the same cause."""
    import aiohttp

    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "name not found"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "closed without an answer"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "answer cut short"
    if isinstance(error, OSError) and error.errno:
        return {104: "connection reset", 111: "connection refused", 32: "connection reset"}.get(
            error.errno, (error.strerror or f"error {error.errno}").lower()
        )
    return type(error).__name__


@asynccontextmanager
async def open_client(
    address: str, *, tls: ssl.SSLContext | None = None, server_name: str | None = None
) -> AsyncIterator[Client]:
    """A client of the service, without cookies, proxies, redirects or retries: a verdict must see
    what happened.

    Args:
        address: of a service over plain http; with `tls`, an https URL.
        tls: how its certificate is judged.
        server_name: the name to ask for in the handshake, if it is not in the address.
    """
    import aiohttp

    base = address if tls else base_url(address)
    connector = aiohttp.TCPConnector(
        limit=CONNECTIONS, keepalive_timeout=KEEP_IDLE, ttl_dns_cache=300, ssl=tls or True
    )
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        headers={"User-Agent": "runbook-check", "Accept-Encoding": "identity"},
        auto_decompress=False,
    ) as session:
        # aiohttp retries when a kept connection is closed under a request. Users do not, so a
        # retry would hide a failure that they see.
        session._retry_connection = False
        yield Client(session, base, server_name)
