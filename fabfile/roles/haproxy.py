"""The role of HAProxy on an edge, behind nginx: health checks, retries, one backend per endpoint,
and drains that survive a reload."""

from __future__ import annotations

from collections.abc import Mapping

from ..control.haproxy import ABLE_PORT, BACKEND_PREFIX, EDGE_HEALTH, HAPROXY_PORT, HAPROXY_UNIT
from ..control.haproxy_stats import ADMIN
from ..engine.host import Node
from ..engine.step import Step
from ..settings.paths import TOOLS
from ..settings.service import Health
from ..settings.settings import Settings
from ..settings.template import render_template
from ..steps.file import Directory, File
from ..steps.leftovers import NoLeftoverDrain
from ..steps.package import Packages
from ..steps.unit import Unit
from .backends import USUAL_SLOW_MS, Backend, make_backends
from .health_page import (
    checks_body,
    is_plain,
    list_headers,
    list_well,
    match_answer,
    name_page,
    quote_haproxy,
    write_request,
)
from .health_script import is_among, is_right, quote_lua

SCRIPTS = "/etc/haproxy"
"""The folder of the Lua scripts."""

REFUSALS = (
    (502, "the app broke off its answer"),
    (503, "no app node is free just now"),
    (504, "the app did not answer in time"),
)
"""The statuses that HAProxy itself answers with, and the text that users read."""

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
        *(_script_step(path, settings) for path in list_scripts(settings)),
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


def list_scripts(settings: Settings) -> list[str]:
    """The Lua scripts, in the order in which HAProxy loads them. The others use the functions of
    `common`."""
    health = settings.program.health
    needed = {
        "common": True,
        "ill": health.ill is not None,
        "database": health.database is not None,
        "retries": True,
        "proof": True,
        "pace": settings.edge.node_rate > 0,
    }
    return [f"{SCRIPTS}/{name}.lua" for name, is_needed in needed.items() if is_needed]


def _script_step(path: str, settings: Settings) -> File:
    """One of the Lua scripts; HAProxy itself checks it before it is installed."""
    health = settings.program.health
    pages = [page for page in (health.live, health.database) if page]
    text = render_template(
        f"haproxy/{path.rpartition('/')[2]}",
        edge=settings.edge,
        nodes=settings.inventory.having("app"),
        health=health,
        requests={
            name_page(page): quote_lua(write_request(page)) for page in pages if not is_plain(page)
        },
        statuses=list_well(health),
        name_page=name_page,
        checks_body=checks_body,
        reads_body=any(map(checks_body, pages)),
        most=MOST_BYTES,
        is_among=is_among,
        is_right=is_right,
        shared=settings.edge.external and len(settings.inventory.having("edge")) > 1,
    )
    first = list_scripts(settings)[0]
    common = "" if path == first else f" lua-load {first}\\n"
    config = f"printf 'global\\n{common} lua-load %s\\n' {{}}"
    return File(
        path,
        text,
        # 2: the configuration is valid, but has no listener. A script alone has none.
        validate=f"{config} | haproxy -c -q -f /dev/stdin 2>&1 || [ $? = 2 ]",
        notify=(f"reload:{HAPROXY_UNIT}",),
    )


MOST_BYTES = 65536
"""The most bytes of a health page that a script reads."""

LEASE = 30
"""Seconds after which a healer's lease expires if the healer does not renew it. The lease lets one
node at a time go out of service for maintenance."""


def other_edges(settings: Settings, edge: Node) -> list[Node]:
    """The edges other than `edge`. nginx on each edge can use the HAProxy of the others."""
    return [node for node in settings.inventory.having("edge") if node != edge]


def _health_check(health: Health) -> list[str]:
    """The lines of haproxy.cfg that ask a node whether its process is well."""
    page = health.live
    if checks_body(page):
        # One expectation for status and body, because a node at its limit has another body.
        refused = [f"tcp-check expect !string {quote_haproxy(page.not_contains)}"]
        return [
            "option tcp-check",
            "tcp-check connect",
            f"tcp-check send {quote_haproxy(write_request(page))}",
            *(refused if page.not_contains else []),
            f"tcp-check expect rstring {quote_haproxy(match_answer(health))}",
        ]
    if is_plain(page):
        request = [f"option httpchk GET {page.path}"]
    else:
        body = f" body {quote_haproxy(page.content)}" if page.content else ""
        headers = "".join(
            f" hdr {name} {quote_haproxy(value)}" for name, value in list_headers(page).items()
        )
        request = [
            "option httpchk",
            f"http-check send meth {page.method} uri {page.path} ver HTTP/1.0{headers}{body}",
        ]
    return [*request, f"http-check expect status {','.join(map(str, list_well(health)))}"]


def _haproxy_config(settings: Settings, edge: Node, ports: Ports) -> str:
    """The text of haproxy.cfg on `edge`."""
    health, backends = settings.program.health, make_backends(settings.program)
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
        health=health,
        check=_health_check(health),
        scripts=list_scripts(settings),
        endpoints=backends,
        backends=(*backends, Backend(f"{BACKEND_PREFIX}other")),
    )
