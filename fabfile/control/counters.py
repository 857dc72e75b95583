"""Requests and errors by endpoint, from HAProxy's Prometheus exporter on each edge."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ..engine.shell import q
from ..settings.bingo import SERVICE
from ..settings.paths import CURL
from .haproxy import backend_name

BACKENDS = {id: backend_name(endpoint) for id, endpoint in SERVICE.uncached_by_requirement.items()}
"""The backend that counts the calls of each requirement. `roles/haproxy.py` defines the
backends."""

REQUESTS, ANSWERS = "haproxy_backend_http_requests_total", "haproxy_backend_http_responses_total"
LINE = re.compile(r'^(\w+)\{proxy="(\w+)"(?:,code="(\w+)")?\} (\d+)', re.M)


def counters_probe(port: int) -> str:
    """Read-only shell text that prints the exporter's counters of all backends; `port` is the
    statistics port."""
    url = f"http://127.0.0.1:{port}/metrics?scope=backend"
    return (
        f"{CURL}127.0.0.1 -fsS --max-time 5 {q(url)} | grep -E '^({REQUESTS}|{ANSWERS})[{{]'; true"
    )


def sum_counters(texts: Sequence[str]) -> dict[str, EndpointCounts]:
    """Sum the counters of all edges by requirement. `texts` holds the output of `counters_probe`
    on each edge. A requirement without counters is left out."""
    requests, errors = Counter[str](), Counter[str]()
    for metric, backend, code, value in (match for text in texts for match in LINE.findall(text)):
        if metric == REQUESTS:
            requests[backend] += int(value)
        elif code == "5xx":
            errors[backend] += int(value)
    return {
        id: EndpointCounts(requests[name], errors[name])
        for id, name in BACKENDS.items()
        if name in requests and name in errors
    }


@dataclass(frozen=True)
class EndpointCounts:
    """The requests of an endpoint since HAProxy started, and how many of them got a status of 500
    or more."""

    requests: int
    errors: int
