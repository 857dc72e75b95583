"""The role of HAProxy on an edge, behind nginx: health checks, retries, one backend per endpoint,
and drains that survive a reload."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..alerts.objectives import service_objectives
from ..control.haproxy import ABLE_PORT, EDGE_HEALTH, HAPROXY_PORT, HAPROXY_UNIT, backend_name
from ..control.haproxy_stats import ADMIN
from ..engine.host import Node
from ..engine.step import Step
from ..settings.bingo import SERVICE
from ..settings.paths import TOOLS
from ..settings.service import Endpoint
from ..settings.settings import Settings
from ..settings.template import render_template
from ..steps.file import Directory, File
from ..steps.leftovers import NoLeftoverDrain
from ..steps.package import Packages
from ..steps.unit import Unit

SCRIPTS = tuple(
    f"/etc/haproxy/{name}.lua" for name in ("common", "ill", "database", "retries", "proof", "pace")
)
"""The Lua scripts, in the order in which HAProxy loads them. The others use the functions of
`common`."""

REFUSALS = (
    (502, "the app broke off its answer"),
    (503, "no app node is free just now"),
    (504, "the app did not answer in time"),
)
"""The statuses that HAProxy itself answers with, and the text that users read."""

RETRIES = {"connect": "conn-failure", "lost": "conn-failure empty-response"}
"""The value of `retry-on` for the first word of an endpoint's `retry`. `lost` is for calls whose
answer costs much: another node would give the same slow or bad answer, at the same cost."""


@dataclass(frozen=True)
class Backend:
    """The values of one backend in haproxy.cfg."""

    name: str
    path: str = ""
    match: str = ""
    """The suffix of HAProxy's path matcher: empty for the exact path, `_reg` for a pattern."""
    method: str = ""
    """The only method that the backend takes; empty: any."""
    timeout: str = ""
    retry: str = ""
    """The value of `retry-on`; empty: the default of haproxy.cfg."""
    database: bool = False
    """Whether its requests wait while the database is down."""
    slow: int = 0
    """Milliseconds after which an answer is logged as slow; 0: after USUAL_SLOW_MS."""
    keep: int = 0
    """Seconds for which nginx may cache an answer, from the time of the request to the app; 0: no
    cache."""


def make_backend(endpoint: Endpoint) -> Backend:
    """The backend of an endpoint."""
    event, _, statuses = endpoint.retry.partition(" ")
    # A create or a delete has the same path as a read or a list, so only the method distinguishes
    # them. The other endpoints take any method.
    method = endpoint.method if endpoint.kind in ("create", "delete") else ""
    return Backend(
        backend_name(endpoint),
        f"^{endpoint.prefix}[0-9]+$" if endpoint.value else endpoint.path,
        match="_reg" if endpoint.value else "",
        method=method,
        timeout=f"{endpoint.timeout}s" if endpoint.timeout else "",
        retry=f"{RETRIES[event]} {statuses}".rstrip() if event else "",
        database=endpoint.database,
        slow=find_slow_bound(endpoint),
        keep=endpoint.cache.ttl if endpoint.cache else 0,
    )


USUAL_SLOW_MS = 1000
"""Milliseconds after which an answer is logged as slow, if the endpoint has no bound of its own."""


def find_slow_bound(endpoint: Endpoint) -> int:
    """Milliseconds after which an answer of `endpoint` is slow; 0: USUAL_SLOW_MS.

    The bound is that of its latency objective (see `alerts.objectives`), else half its time-out.
    """
    promised = [
        round(objective.within * 1000)
        for objective in service_objectives(SERVICE)
        # The objective of a cached endpoint is for answers from the cache. HAProxy sees only the
        # requests that miss the cache, and these normally take seconds.
        if objective.endpoint == endpoint and objective.within and not endpoint.cache
    ]
    half_timeout = endpoint.timeout * 1000 // 2
    return promised[0] if promised else half_timeout


Ports = Mapping[str, int]
"""The port of the app on each app node, by the node's name."""


def haproxy_steps(settings: Settings, edge: Node, ports: Ports) -> list[Step]:
    """The whole role on `edge`."""
    drop_in = f"/etc/systemd/system/{HAPROXY_UNIT}.d"
    return [
        Packages(("haproxy", "socat")),
        File(f"{TOOLS}/haproxy-save-state", render_template("haproxy/save-state"), mode=0o755),
        Directory(drop_in),
        File(f"{drop_in}/state.conf", render_template("haproxy/state.conf")),
        File(f"{drop_in}/log.conf", render_template("haproxy/log.conf")),
        File(
            f"{drop_in}/hardening.conf",
            render_template("haproxy/hardening.conf"),
            notify=(f"restart:{HAPROXY_UNIT}",),
        ),
        # Before haproxy.cfg, which loads the scripts.
        *(_script_step(path, settings) for path in SCRIPTS),
        File(
            "/etc/haproxy/haproxy.cfg",
            _haproxy_config(settings, edge, ports),
            validate="haproxy -c -q -f {}",
            notify=(f"reload:{HAPROXY_UNIT}",),
        ),
        Unit(
            HAPROXY_UNIT,
            ready=(
                f"timeout 20 sh -c 'until echo show info | {ADMIN} | grep -q ^Uptime; do sleep 0.1;"
                " done'"
            ),
        ),
        NoLeftoverDrain(tuple(node.name for node in settings.inventory.having("app"))),
    ]


def _script_step(path: str, settings: Settings) -> File:
    """One of the Lua scripts; HAProxy itself checks it before it is installed."""
    text = render_template(
        f"haproxy/{path.rpartition('/')[2]}",
        edge=settings.edge,
        nodes=settings.inventory.having("app"),
        health=SERVICE.health,
        shared=settings.edge.external and len(settings.inventory.having("edge")) > 1,
    )
    common = "" if path == SCRIPTS[0] else f" lua-load {SCRIPTS[0]}\\n"
    config = f"printf 'global\\n{common} lua-load %s\\n' {{}}"
    return File(
        path,
        text,
        # 2: the configuration is valid, but has no listener. A script alone has none.
        validate=f"{config} | haproxy -c -q -f /dev/stdin 2>&1 || [ $? = 2 ]",
        notify=(f"reload:{HAPROXY_UNIT}",),
    )


LEASE = 30
"""Seconds after which a healer's lease expires if the healer does not renew it. The lease lets one
node at a time go out of service for maintenance."""


def other_edges(settings: Settings, edge: Node) -> list[Node]:
    """The edges other than `edge`. nginx on each edge can use the HAProxy of the others."""
    return [node for node in settings.inventory.having("edge") if node != edge]


def _haproxy_config(settings: Settings, edge: Node, ports: Ports) -> str:
    """The text of haproxy.cfg on `edge`."""
    backends = [make_backend(endpoint) for endpoint in SERVICE.endpoints]
    return render_template(
        "haproxy/haproxy.cfg",
        edge=settings.edge,
        address=edge.address,
        lease=LEASE,
        inner=HAPROXY_PORT,
        able=ABLE_PORT,
        slow=USUAL_SLOW_MS,
        peers=other_edges(settings, edge),
        monitors=settings.monitors,
        edge_health=EDGE_HEALTH,
        refusals=REFUSALS,
        nodes=settings.inventory.having("app"),
        ports=ports,
        health=SERVICE.health,
        scripts=SCRIPTS,
        endpoints=backends,
        backends=(*backends, Backend("ep_other")),
    )
