"""What the balancers have counted by endpoint: HAProxy's own exporter, read on each edge's
loopback."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..engine.shell import q
from ..settings.bingo import SERVICE
from ..settings.paths import CURL
from .haproxy import backend_name

BACKENDS = {id: backend_name(endpoint) for id, endpoint in SERVICE.counted.items()}
"""Which backend counts which requirement's calls; `roles/haproxy.py` makes them."""

REQUESTS, ANSWERS = "haproxy_backend_http_requests_total", "haproxy_backend_http_responses_total"
LINE = re.compile(r'^(\w+)\{proxy="(\w+)"(?:,code="(\w+)")?\} (\d+)', re.M)


def counters_probe(port: int) -> str:
    """Read-only shell text that prints the exporter's counters of every backend."""
    url = f"http://127.0.0.1:{port}/metrics?scope=backend"
    return (
        f"{CURL}127.0.0.1 -fsS --max-time 5 {q(url)} | grep -E '^({REQUESTS}|{ANSWERS})[{{]'; true"
    )


def sum_counters(texts: Sequence[str]) -> dict[str, EndpointCounts]:
    """The counters in what `counters_probe` printed on each edge, summed up by requirement; one
    that nobody counts is left out."""
    requests, errors = Counter[str](), Counter[str]()
    for metric, backend, code, value in (match for text in texts for match in LINE.findall(text)):
        if metric == REQUESTS:
            requests[backend] += int(value)
        elif code == "5xx":
            errors[backend] += int(value)
    both: Mapping[str, str] = {
        id: name for id, name in BACKENDS.items() if name in requests and name in errors
    }
    return {id: EndpointCounts(requests[name], errors[name]) for id, name in both.items()}


@dataclass(frozen=True)
class EndpointCounts:
    """Requests that the edges have counted for an endpoint since they started, and answers of
    500 and more among them."""

    requests: int
    errors: int
