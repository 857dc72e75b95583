"""What one edge has counted so far, for live rates: HAProxy per endpoint and node, and, where the
site is monitored, what nginx answered to users."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..engine.host import Node
from ..engine.shell import Reading, q
from ..settings.paths import CURL
from ..settings.settings import Settings
from .edge_drain import EDGE_DRAINED
from .haproxy import BACKEND_PREFIX, DRAINS_PROBE, parse_drains
from .haproxy_stats import healing_probe, parse_healing, stat_rows, stat_script
from .site_front import find_front


@dataclass(frozen=True)
class Tally:
    """Counters since the daemon started, and two figures of the moment."""

    requests: int = 0
    errors: int = 0
    """Answers with 5xx; at a node also broken connections and requests that were retried."""
    queued: int = 0
    in_flight: int = 0
    mean_ms: int = 0
    """HAProxy's mean of the last 1024 answers."""


@dataclass(frozen=True)
class UserTally:
    """What users got of an endpoint at nginx since mtail started, cached answers included."""

    requests: int
    errors: int
    """Answers with 5xx."""
    within: Mapping[float, int]
    """By bound in seconds, ascending: answers that took at most so long."""


@dataclass(frozen=True)
class EdgeCounts:
    """One reading of an edge."""

    seconds: float
    """The uptime of the edge: unlike its clock, it never jumps."""
    endpoints: Mapping[str, Tally] = field(default_factory=dict)
    """By endpoint, at HAProxy; empty if HAProxy does not answer."""
    servers: Mapping[tuple[str, str], Tally] = field(default_factory=dict)
    """By endpoint and node."""
    users: Mapping[str, UserTally] | None = None
    """By endpoint, at nginx; None where nothing counts it, or what counts it does not answer."""
    sessions: int = 0
    """Open connections from nginx."""
    states: Mapping[str, str] = field(default_factory=dict)
    """By node: HAProxy's word, or `drained` or `restarting` for a node out on purpose."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """By drained node: who drained it and why."""
    serves: bool = False
    """Whether users reach this edge, as its front knows."""
    drained: str = ""
    """Who drained the edge and why; empty if it is not drained."""


ANSWERED = "answered"
"""Printed when mtail answered: before the first request of a user, it has no figures."""


def counts_probes(settings: Settings, edge: Node, users_port: int) -> list[str]:
    """Read-only shell texts for `edge`; `parse_counts` reads their answers.

    `users_port` is where mtail on the edge shows its figures; 0 on a site without monitoring.
    """
    url = f"http://{edge.address}:{users_port}/metrics"
    figures = (
        f"{{ {CURL}{edge.address} -fsS --max-time 2 {q(url)} && echo {ANSWERED}; }} 2>&1 |"
        f" grep -e ^edge_request -e ^{ANSWERED}; true"
    )
    return [
        "cut -d' ' -f1 /proc/uptime",
        f"{stat_script()} 2>/dev/null; true",
        figures if users_port else "true",
        DRAINS_PROBE,
        healing_probe(settings.inventory.having("app")),
        find_front(settings).serving_probe(),
        f"cut -d' ' -f2- {EDGE_DRAINED} 2>/dev/null; true",
    ]


def parse_counts(nodes: Sequence[Node], readings: Sequence[Reading]) -> EdgeCounts:
    """Parse the answers of `counts_probes` for the same `nodes`. Pure."""
    uptime, stat, figures, drains, healing, serving, drained = readings
    reasons = parse_drains(drains.out)
    healed = parse_healing(nodes, healing.out).drained
    endpoints: dict[str, Tally] = {}
    servers: dict[tuple[str, str], Tally] = {}
    states: dict[str, str] = {}
    sessions = 0
    for row in stat_rows(stat.out):
        backend, name = row["pxname"], row["svname"]
        if (backend, name) == ("users", "FRONTEND"):
            sessions = _number(row, "scur")
        elif backend == "health" and name != "BACKEND":
            out_word = "drained" if name in reasons else "restarting" if name in healed else ""
            states[name] = out_word or row["status"]
        elif backend.startswith(BACKEND_PREFIX):
            endpoint = backend.removeprefix(BACKEND_PREFIX)
            if name == "BACKEND":
                endpoints[endpoint] = _read_tally(row, "ttime", "hrsp_5xx")
            else:
                _add_server(servers, (endpoint, name), row)
    return EdgeCounts(
        float(uptime.out or 0),
        endpoints,
        servers,
        parse_user_figures(figures.out) if ANSWERED in figures.out.splitlines() else None,
        sessions,
        states,
        reasons,
        serves=serving.code == 0,
        drained=drained.out.strip(),
    )


def _add_server(
    servers: dict[tuple[str, str], Tally], key: tuple[str, str], row: Mapping[str, str]
) -> None:
    """Add the row of a server. Requests of the last-resort server (`panic-NODE`) count for its
    node."""
    endpoint, name = key
    node = name.removeprefix("panic-")
    tally = _read_tally(row, "rtime", "hrsp_5xx", "econ", "eresp", "wretr")
    if known := servers.get((endpoint, node)):
        tally = Tally(
            known.requests + tally.requests,
            known.errors + tally.errors,
            known.queued + tally.queued,
            known.in_flight + tally.in_flight,
            max(known.mean_ms, tally.mean_ms),
        )
    servers[endpoint, node] = tally


def _read_tally(row: Mapping[str, str], time_column: str, *error_columns: str) -> Tally:
    return Tally(
        requests=_number(row, "stot"),
        errors=sum(_number(row, column) for column in error_columns),
        queued=_number(row, "qcur"),
        in_flight=_number(row, "scur"),
        mean_ms=_number(row, time_column),
    )


def _number(row: Mapping[str, str], column: str) -> int:
    return int(row.get(column) or 0)


_FIGURE = re.compile(r"^(edge_request\w+)\{(.*)\} (\d+)$", re.M)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def parse_user_figures(text: str) -> dict[str, UserTally]:
    """Parse mtail's figures of this edge (configs/monitoring/edge.mtail). Pure."""
    requests, errors = Counter[str](), Counter[str]()
    within: defaultdict[str, dict[float, int]] = defaultdict(dict)
    for name, labels, value in _FIGURE.findall(text):
        label, count = dict(_LABEL.findall(labels)), int(value)
        endpoint = label["endpoint"]
        if name == "edge_requests_total":
            requests[endpoint] += count
            errors[endpoint] += count if int(label["code"]) >= 500 else 0
        elif name == "edge_request_seconds_bucket":
            within[endpoint][float(label["le"])] = count  # mtail's bounds ascend; float("+Inf")
    return {
        endpoint: UserTally(requests[endpoint], errors[endpoint], within[endpoint])
        for endpoint in requests
    }
