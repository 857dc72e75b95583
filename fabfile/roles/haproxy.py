"""The balancer behind nginx on each edge: checks, retries, one backend an endpoint, drains that
survive a reload."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..alerts.objectives import service_objectives
from ..control.haproxy import EDGE_HEALTH, HAPROXY_PORT, HAPROXY_UNIT, backend_name
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
"""What HAProxy decides in Lua: who is out, what waits, what is asked again, which node gets a
POST, and how much."""

REFUSALS = (
    (502, "the app broke off its answer"),
    (503, "no app node is free just now"),
    (504, "the app did not answer in time"),
)
"""What users read when no node could answer."""

RETRIES = {"connect": "conn-failure", "lost": "conn-failure empty-response"}
"""An endpoint's `retry` in HAProxy's words. `lost` is for calls whose slow or bad answer another
node would only repeat, at the same cost."""


@dataclass(frozen=True)
class Backend:
    """A backend in HAProxy's words."""

    name: str
    path: str = ""
    match: str = ""
    """The path matcher: empty for the exact path, `_reg` for a pattern."""
    method: str = ""
    """Empty: any."""
    timeout: str = ""
    retry: str = ""
    database: bool = False
    slow: int = 0
    """Milliseconds after which an answer is logged as slow; 0: after USUAL_SLOW_MS."""
    keep: int = 0
    """Seconds for which nginx may keep an answer, from when the app was asked; 0: never."""


def make_backend(endpoint: Endpoint) -> Backend:
    """The backend of an endpoint. A path that is created or deleted at is shared with a read or a
    list, so the method tells them apart; all others take any method."""
    event, _, statuses = endpoint.retry.partition(" ")
    return Backend(
        backend_name(endpoint),
        f"^{endpoint.prefix}[0-9]+$" if endpoint.value else endpoint.path,
        match="_reg" if endpoint.value else "",
        method=endpoint.method if endpoint.kind in ("create", "delete") else "",
        timeout=f"{endpoint.timeout}s" if endpoint.timeout else "",
        retry=f"{RETRIES[event]} {statuses}".rstrip() if event else "",
        database=endpoint.database,
        slow=find_slow_bound(endpoint),
        keep=endpoint.cache.ttl if endpoint.cache else 0,
    )


USUAL_SLOW_MS = 1000
"""Milliseconds after which an answer is logged as slow, where the endpoint has no bound of its
own."""


def find_slow_bound(endpoint: Endpoint) -> int:
    """Milliseconds after which an answer of `endpoint` is slow: its promise (see
    `alerts.objectives`), else half its time-out; 0: the usual."""
    promised = [
        round(objective.within * 1000)
        for objective in service_objectives(SERVICE)
        if objective.endpoint == endpoint and objective.within and not endpoint.cache
    ]
    # A cached call is asked by the refresher too, and takes seconds by nature.
    return promised[0] if promised else endpoint.timeout * 500


Ports = Mapping[str, int]
"""Where the app serves on each app node, by the node's name."""


def haproxy_steps(settings: Settings, edge: Node, ports: Ports) -> list[Step]:
    """The whole role, on `edge`."""
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
    """One of HAProxy's Lua scripts."""
    text = render_template(
        f"haproxy/{path.rpartition('/')[2]}",
        edge=settings.edge,
        nodes=settings.inventory.having("app"),
        health=SERVICE.health,
    )
    known = "" if path == SCRIPTS[0] else f" lua-load {SCRIPTS[0]}\\n"
    config = f"printf 'global\\n{known} lua-load %s\\n' {{}}"
    return File(
        path,
        text,
        # 2: right, no listener
        validate=f"{config} | haproxy -c -q -f /dev/stdin 2>&1 || [ $? = 2 ]",
        notify=(f"reload:{HAPROXY_UNIT}",),
    )


LEASE = 30
"""Seconds for which a healer may be away on purpose without renewing its lease."""


def other_edges(settings: Settings, edge: Node) -> list[Node]:
    """The edges besides `edge`: each one's nginx may use the other's HAProxy."""
    return [node for node in settings.inventory.having("edge") if node != edge]


def _haproxy_config(settings: Settings, edge: Node, ports: Ports) -> str:
    backends = [make_backend(endpoint) for endpoint in SERVICE.endpoints]
    return render_template(
        "haproxy/haproxy.cfg",
        edge=settings.edge,
        address=edge.address,
        lease=LEASE,
        inner=HAPROXY_PORT,
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
