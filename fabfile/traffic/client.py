"""One request over the network, and everything about its response that a verdict may need."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from ..engine.errors import RunbookError
from ..engine.secret import Secret
from ..settings.endpoint import Expectation
from .answers import HEAD, judge_answer, read_body, texts_to_find

if TYPE_CHECKING:
    import ssl

    from aiohttp import ClientSession

CONNECTIONS = 400
"""Connections open at a time; the original acceptance test opens as many."""

KEEP_IDLE = 4.0
"""Seconds an idle connection is kept. Every server here keeps it longer, so no request is sent on
a connection that is just being closed."""

ADMISSION = re.compile(r"(?<!=)\b(hit|stale|updating|revalidated)\b", re.IGNORECASE)
"""Matches in X-Cache, X-Cache-Status, CF-Cache-Status, Cache-Status …; not `fwd=stale`, which means
that the cache *did* ask the service."""


class Request(NamedTuple):
    """A request to make.

    Attributes:
        endpoint: the id of the endpoint, for its figures.
        method: the HTTP method.
        path: the path with the query.
        body: the body; None for none.
        expect: what a right answer looks like, without placeholders.
        headers: its own headers, besides those of the client.
        values: what its placeholders stand for.
        ordinal: which creation of its ledger it is, from 1; 0 if it creates nothing.
        arm: the way of asking, where two ways are compared.
    """

    endpoint: str
    method: str
    path: str
    body: bytes | None = None
    expect: Expectation = Expectation()
    headers: tuple[tuple[str, str], ...] = ()
    values: Mapping[str, str] = MappingProxyType({})
    ordinal: int = 0
    arm: str = ""

    def with_query(self, query: str) -> Request:
        """The same request with one more part of the query."""
        sign = "&" if "?" in self.path else "?"
        return self._replace(path=f"{self.path}{sign}{query}")


@dataclass(frozen=True)
class Response:
    """What came back. Times are the event loop's, in seconds; `error` is empty for a right answer.

    `head`: the beginning of the body. `found`: whether `seek` (of `Client.ask`) was anywhere in it.
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

    def __init__(
        self,
        session: ClientSession,
        base: str,
        server_name: str | None = None,
        headers: Mapping[str, Secret] = MappingProxyType({}),
    ) -> None:
        self.base, self.headers = base, headers
        self._session = session
        self._server_name = server_name
        self._slots = asyncio.Semaphore(CONNECTIONS)

    async def ask(
        self,
        request: Request,
        *,
        timeout: float,
        due: float | None = None,
        seek: bytes = b"",
        keep: int = HEAD,
    ) -> Response:
        """Make the request and read the whole answer. A failure of the service or the network is
        in the response; it raises nothing.

        Args:
            request: the request to send.
            timeout: seconds, counted from `due`.
            due: when it should have been sent (loop time); now if not given.
            seek: bytes to look for in the whole body, however long it is.
            keep: bytes of the body that are kept.
        """
        loop = asyncio.get_running_loop()
        due = loop.time() if due is None else due
        sent = due
        try:
            async with asyncio.timeout_at(due + timeout), self._slots:
                sent = loop.time()
                return await self._exchange_once(request, sent, seek, keep)
        except Exception as error:
            # A slot that never came free leaves `sent` at `due`: the request was due, and the
            # service kept it waiting.
            return Response(sent, loop.time(), error=failure_kind(error))

    async def _exchange_once(
        self, request: Request, sent: float, seek: bytes, keep: int
    ) -> Response:
        kind = {"Content-Type": "application/json"} if request.body is not None else {}
        async with self._session.request(
            request.method,
            self.base + request.path,
            data=request.body,
            headers={**kind, **dict(request.headers)},
            allow_redirects=False,
            server_hostname=self._server_name,
        ) as response:
            wanted = (*texts_to_find(request.expect), seek)
            body = await read_body(response.content.iter_any(), wanted, keep)
            return Response(
                sent=sent,
                done=asyncio.get_running_loop().time(),
                status=response.status,
                error=judge_answer(request.expect, request.method, response.status, body),
                headers=response.headers,
                head=body.head,
                size=body.size,
                digest=body.digest,
                found=seek in body.found,
            )


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
    address: str,
    *,
    tls: ssl.SSLContext | None = None,
    server_name: str | None = None,
    headers: Mapping[str, Secret] = MappingProxyType({}),
) -> AsyncIterator[Client]:
    """A client of the service, without cookies, proxies, redirects or retries: a verdict must see
    what happened.

    Args:
        address: of a service over plain http; with `tls`, an https URL.
        tls: how its certificate is judged.
        server_name: the name to ask for in the handshake, if it is not in the address.
        headers: of every request.
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
        headers={
            "User-Agent": "runbook-check",
            "Accept-Encoding": "identity",
            **{name: value.reveal() for name, value in headers.items()},
        },
        auto_decompress=False,
    ) as session:
        # aiohttp retries when a kept connection is closed under a request. Users do not, so a
        # retry would hide a failure that they see.
        session._retry_connection = False
        yield Client(session, base, server_name, headers)
