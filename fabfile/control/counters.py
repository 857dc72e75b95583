"""Requests and errors by endpoint, from HAProxy's Prometheus exporter on each edge."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ..engine.shell import q
from ..settings.paths import CURL
from ..settings.service import Service
from .haproxy import backend_name

REQUESTS, ANSWERS = "haproxy_backend_http_requests_total", "haproxy_backend_http_responses_total"
LINE = re.compile(r'^(\w+)\{proxy="(\w+)"(?:,code="(\w+)")?\} (\d+)', re.M)


def counters_probe(port: int) -> str:
    """Read-only shell text that prints the exporter's counters of all backends; `port` is the
    statistics port."""
    url = f"http://127.0.0.1:{port}/metrics?scope=backend"
    return (
        f"{CURL}127.0.0.1 -fsS --max-time 5 {q(url)} | grep -E '^({REQUESTS}|{ANSWERS})[{{]'; true"
    )


def backends_by_id(service: Service) -> dict[str, str]:
    """The backend that counts the calls of each requirement."""
    endpoints = service.uncached_by_id
    return {id: backend_name(endpoint) for id, endpoint in endpoints.items()}


def sum_counters(service: Service, texts: Sequence[str]) -> dict[str, EndpointCounts]:
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
        for id, name in backends_by_id(service).items()
        if name in requests and name in errors
    }


@dataclass(frozen=True)
class EndpointCounts:
    """The requests of an endpoint since HAProxy started, and how many of them got a status of 500
    or more."""

    requests: int
    errors: int
