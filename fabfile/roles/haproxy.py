"""The balancer behind nginx on each edge: checks, retries, one backend an endpoint, drains that survive a reload."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..control.haproxy_view import ADMIN
from ..engine.command import Shell
from ..engine.shell import STATE, Reading, q
from ..engine.step import Change, Step
from ..settings.endpoints import ENDPOINTS, REFUSALS, Endpoint
from ..settings.inventory import Node
from ..settings.settings import Settings
from ..steps.file import OURS, Directory, File
from ..steps.package import Packages
from ..steps.template import render_template
from ..steps.unit import Unit
from .app import HEALTH
from .base import TOOLS

HAPROXY_UNIT = "haproxy.service"
HAPROXY_PORT = 8081
"""Port on the edge's loopback, and for the other edge, where nginx hands requests over."""
EDGE_HEALTH = "/edge-health"
"""Answered by HAProxy itself: 200 says that an edge works, whatever the app does."""
DRAINED_NODES = f"{STATE}/drained"
"""On an edge: one file per drained node, holding who drained it and why.

`deploy RUN`: the next deploy may put it back. `gate RUN: …`: its release is not proven; only the gate puts it back.
`operator …`: only a person does."""

SCRIPTS = tuple(f"/etc/haproxy/{name}.lua" for name in ("common", "ill", "database", "retries", "proof", "pace"))
"""What HAProxy decides in Lua: who is out, what waits, what is asked again, which node gets a POST, and how much."""
ILL = "I feel bad."
"""What an ill app says, with status 500, to everything."""
READ = "/db_dummy"
"""The cheapest call that needs the database."""

SAVE_STATE = f"{TOOLS}/haproxy-save-state || true\n"
"""Script: what HAProxy is told of a node outlives its crash. A full disk must not keep a node in or out of service."""


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
            f"{drop_in}/hardening.conf", render_template("haproxy/hardening.conf"), notify=(f"restart:{HAPROXY_UNIT}",)
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
            ready=f"timeout 20 sh -c 'until echo show info | {ADMIN} | grep -q ^Uptime; do sleep 0.1; done'",
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
        validate=f"{config} | haproxy -c -q -f /dev/stdin 2>&1 || [ $? = 2 ]",  # 2: right, no listener
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


@dataclass(frozen=True)
class NoLeftoverDrain(Step):
    """No node stays drained by a deploy that died. What an operator drained stays drained (and `status` shows it).

    A record of a node that is not (or no longer) one of `nodes` is removed: no server belongs to it, and it must not speak for
    another node that gets the name one day.
    """

    nodes: tuple[str, ...]
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`no leftover drain`."""
        return "no leftover drain"

    def probe(self) -> str:
        """Every record: its file, and who drained the node and why."""
        return f"grep -H '' {DRAINED_NODES}/* 2>/dev/null; true"

    def decide(self, seen: Reading) -> Change | None:
        """Put the nodes back, and forget those that have left."""
        records = [line.partition(":") for line in seen.out.splitlines()]
        found = {path.rpartition("/")[2]: why for path, _, why in records}
        left = [name for name, why in found.items() if name in self.nodes and why.startswith("deploy ")]
        gone = [name for name in found if name not in self.nodes]
        doings = [
            *([f"undrain {', '.join(left)} (a deploy that did not finish drained it)"] if left else []),
            *([f"forget that {', '.join(gone)} was drained (it is no app node any more)"] if gone else []),
        ]
        if not doings:
            return None
        script = "".join(map(undrain_script, left)) + "".join(f"rm -f {DRAINED_NODES}/{q(name)}\n" for name in gone)
        return Change("; ".join(doings), (Shell(script),))


def drain_script(node: str, why: str) -> str:
    """Script: no new requests for `node` on this edge; the reason is on record before it happens."""
    record = f"mkdir -p {DRAINED_NODES}; printf '%s\\n' {q(why)} >{DRAINED_NODES}/{q(node)}\n"
    return record + _mark_script(node, "maint") + _tell_script(f"set server health/{node} state drain") + SAVE_STATE


def undrain_script(node: str) -> str:
    """Script: `node` takes requests again, as far as its checks allow."""
    return (
        _mark_script(node, "ready")
        + _tell_script(f"set server health/{node} state ready")
        + SAVE_STATE
        + f"rm -f {DRAINED_NODES}/{q(node)}\n"
    )


def _mark_script(node: str, state: str) -> str:
    """Script: the healers learn whose drain it is. (A HAProxy whose configuration is older has no place for it.)"""
    return f"echo {q(f'set server kept_out/{node} state {state}')} | {ADMIN} >/dev/null\n"


def _tell_script(command: str) -> str:
    """Script: HAProxy does as told; it answers only when it does not."""
    return f'said=$(echo {q(command)} | {ADMIN}) || exit 1\n[ -z "$said" ] || {{ echo "$said" >&2; exit 1; }}\n'


def place(node: Node, port: int) -> str:
    """Script: this edge finds `node` at its address and `port`, now and after any restart. Nothing is reloaded."""
    return render_template("haproxy/place", node=node, port=port, ours=q(OURS), admin=ADMIN)


def drained_by_deploy() -> str:
    """Read-only shell text that prints, for `drained_names`, which nodes a deploy took out on this edge."""
    return f"grep -ls '^deploy ' {DRAINED_NODES}/* 2>/dev/null; true"


def drained_names(seen: Reading) -> list[str]:
    """The nodes in the output of `drained_by_deploy`."""
    return [line.rpartition("/")[2] for line in seen.out.split()]


def recorded_drain(node: str) -> str:
    """Read-only shell text that prints who took `node` out on this edge and why; nothing when nobody did."""
    return f"cat {DRAINED_NODES}/{q(node)} 2>/dev/null; true"


def drained_by_operator(node: str) -> str:
    """Read-only shell text that succeeds when a person, not a deploy, took `node` out on this edge."""
    return f"grep -qs '^operator ' {DRAINED_NODES}/{q(node)}"
