"""The backends of the balancer, one for each endpoint, as values for templates. nginx names the
endpoint of an answer by the same patterns."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..alerts.objectives import service_objectives
from ..control.haproxy import backend_name
from ..settings.endpoint import PLACEHOLDER, Endpoint
from ..settings.service import Service

RETRIES = {"connect": "conn-failure", "lost": "conn-failure empty-response"}
"""The value of `retry-on` for the first word of an endpoint's `retry`. `lost` is for calls whose
answer costs much: another node would give the same slow or bad answer, at the same cost."""

USUAL_SLOW_MS = 1000
"""Milliseconds after which an answer is logged as slow, if the endpoint has no bound of its own."""

READING = ("GET", "HEAD")
"""Methods of requests that change nothing: HAProxy's METH_GET."""


@dataclass(frozen=True)
class Backend:
    """The values of one backend in haproxy.cfg."""

    name: str
    path: str = ""
    match: str = ""
    """The suffix of HAProxy's path matcher: empty for the exact path, `_reg` for a pattern."""
    method: str = ""
    """The only methods that the backend takes; empty: any."""
    timeout: str = ""
    retry: str = ""
    """The value of `retry-on`; empty: the default of haproxy.cfg."""
    once: str = " unless METH_GET"
    """The condition under which a request is never sent twice; empty: always."""
    repeatable: bool = False
    """Whether every request may be sent twice."""
    database: bool = False
    """Whether its requests wait while the database is down."""
    slow: int = 0
    """Milliseconds after which an answer is logged as slow; 0: after USUAL_SLOW_MS."""
    keep: int = 0
    """Seconds for which nginx may cache an answer, from the time of the request to the app; 0: no
    cache."""
    body: str = ""
    """The largest body of a request, as nginx writes sizes; empty: that of the service."""

    @property
    def call(self) -> str:
        """The method and the path as a regular expression."""
        method = "|".join(self.method.split()) or "[A-Z]+"
        return f"({method}) {self.pattern}" if "|" in method else f"{method} {self.pattern}"

    @property
    def pattern(self) -> str:
        """The path as a regular expression, without its anchors."""
        return self.path.removeprefix("^").removesuffix("$") if self.match else _escape(self.path)


def make_backends(service: Service) -> list[Backend]:
    """The backends of all endpoints. The first one that matches a request gets it."""
    return [make_backend(service, endpoint) for endpoint in service.endpoints]


def make_backend(service: Service, endpoint: Endpoint) -> Backend:
    """The backend of an endpoint."""
    event, _, statuses = endpoint.retry.partition(" ")
    path = find_path(service, endpoint)
    once, repeatable = _find_retry_condition(endpoint)
    return Backend(
        backend_name(endpoint),
        path,
        match="_reg" if endpoint.value else "",
        method=_find_method(service, endpoint),
        timeout=f"{endpoint.timeout}s" if endpoint.timeout else "",
        retry=f"{RETRIES[event]} {statuses}".rstrip() if event else "",
        once=once,
        repeatable=repeatable,
        database=endpoint.database and service.health.database is not None,
        slow=find_slow_bound(service, endpoint),
        keep=endpoint.cache.ttl if endpoint.cache else 0,
        body=endpoint.body,
    )


def _find_method(service: Service, endpoint: Endpoint) -> str:
    """The methods that the endpoint takes; empty for any.

    Only the method distinguishes endpoints with the same path. The last of them takes the rest, so
    that a request with another method still belongs to an endpoint.
    """
    following = service.endpoints[service.endpoints.index(endpoint) + 1 :]
    shape = PLACEHOLDER.sub("{}", endpoint.path)
    shared = any(PLACEHOLDER.sub("{}", other.path) == shape for other in following)
    if not shared or endpoint.method == "*":
        return ""
    return " ".join(READING) if endpoint.method in READING else endpoint.method


def find_path(service: Service, endpoint: Endpoint) -> str:
    """What the path of a request must be: the path itself, or a regular expression for a path with
    values."""
    if not endpoint.value:
        return endpoint.path
    parts = PLACEHOLDER.split(endpoint.path)
    names = [name[1:-1] for name in PLACEHOLDER.findall(endpoint.path)]
    kinds = [_match_value(service, name) for name in names]
    rest = (kind + _escape(part) for kind, part in zip(kinds, parts[1:], strict=True))
    return f"^{_escape(parts[0])}{''.join(rest)}$"


def _match_value(service: Service, name: str) -> str:
    """A regular expression for a value: digits for a number, else anything up to the next slash."""
    return "[0-9]+" if service.values[name].is_number else "[^/]+"


def _escape(text: str) -> str:
    """`text` as a part of a regular expression, without backslashes: HAProxy and nginx each read
    those in their own way."""
    return re.sub(r"[.+*?()|\[{^$]", r"[\g<0>]", text).replace("[^]", r"\^")


def _find_retry_condition(endpoint: Endpoint) -> tuple[str, bool]:
    """The condition under which a request is sent only once, and whether none is."""
    if endpoint.idempotent is None:
        return " unless METH_GET", False
    if not endpoint.idempotent:
        return "", False
    if endpoint.method == "*":
        return "", True
    also = "" if endpoint.method in READING else f" or {{ method {endpoint.method} }}"
    return f" unless METH_GET{also}", False


def find_slow_bound(service: Service, endpoint: Endpoint) -> int:
    """Milliseconds after which an answer of `endpoint` is slow; 0: USUAL_SLOW_MS.

    The bound is that of its latency objective (see `alerts.objectives`), else half its time-out.
    """
    promised = [
        round(objective.within * 1000)
        for objective in service_objectives(service)
        # The objective of a cached endpoint is for answers from the cache. HAProxy sees only the
        # requests that miss the cache, and these normally take seconds.
        if objective.endpoint == endpoint and objective.within and not endpoint.cache
    ]
    half_timeout = endpoint.timeout * 1000 // 2
    return promised[0] if promised else half_timeout
