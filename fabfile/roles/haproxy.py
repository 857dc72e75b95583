"""The balancer behind nginx on each edge: checks, retries, one backend an endpoint, drains that
survive a reload."""

from __future__ import annotations

from collections.abc import Mapping

from ..control.haproxy import EDGE_HEALTH, HAPROXY_PORT, HAPROXY_UNIT
from ..control.haproxy_stats import ADMIN
from ..engine.host import Node
from ..engine.step import Step
from ..settings.endpoints import ENDPOINTS, REFUSALS, Endpoint
from ..settings.paths import TOOLS
from ..settings.settings import Settings
from ..settings.template import render_template
from ..steps.file import Directory, File
from ..steps.leftovers import NoLeftoverDrain
from ..steps.package import Packages
from ..steps.unit import Unit
from .app import HEALTH

SCRIPTS = tuple(
    f"/etc/haproxy/{name}.lua" for name in ("common", "ill", "database", "retries", "proof", "pace")
)
"""What HAProxy decides in Lua: who is out, what waits, what is asked again, which node gets a
POST, and how much."""
ILL = "I feel bad."
"""What an ill app says, with status 500, to everything."""
READ = "/db_dummy"
"""The cheapest call that needs the database."""


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
        health=HEALTH,
        ill=ILL,
        read=READ,
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
    return render_template(
        "haproxy/haproxy.cfg",
        edge=settings.edge,
        address=edge.address,
        lease=LEASE,
        inner=HAPROXY_PORT,
        peers=other_edges(settings, edge),
        edge_health=EDGE_HEALTH,
        refusals=REFUSALS,
        nodes=settings.inventory.having("app"),
        ports=ports,
        health=HEALTH,
        scripts=SCRIPTS,
        ill=ILL,
        endpoints=ENDPOINTS,
        backends=(*ENDPOINTS, Endpoint("ep_other", "")),
    )
