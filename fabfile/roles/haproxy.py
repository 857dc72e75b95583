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
from ..steps.template import render
from ..steps.unit import Unit
from .app import HEALTH
from .base import TOOLS

UNIT = "haproxy.service"
INNER = 8081
"""Port on the edge's loopback, and for the other edge, where nginx hands requests over."""
EDGE_HEALTH = "/edge-health"
"""Answered by HAProxy itself: 200 says that an edge works, whatever the app does."""
DRAINED = f"{STATE}/drained"
"""On an edge: one file per drained node, holding who drained it and why.

`deploy RUN`: the next deploy may put it back. `gate RUN: …`: its release is not proven; only the gate puts it back.
`operator …`: only a person does."""

SCRIPTS = tuple(f"/etc/haproxy/{name}.lua" for name in ("common", "ill", "database", "retries", "proof", "pace"))
"""What HAProxy decides in Lua: who is out, what waits, what is asked again, which node gets a POST, and how much."""
ILL = "I feel bad."
"""What an ill app says, with status 500, to everything."""
READ = "/db_dummy"
"""The cheapest call that needs the database."""

SAVE = f"{TOOLS}/haproxy-save-state || true\n"
"""Script: what HAProxy is told of a node outlives its crash. A full disk must not keep a node in or out of service."""


Ports = Mapping[str, int]
"""Where the app serves on each app node, by the node's name."""


def steps(settings: Settings, edge: Node, ports: Ports) -> list[Step]:
    """The whole role, on `edge`."""
    drop_in = f"/etc/systemd/system/{UNIT}.d"
    return [
        Packages(("haproxy", "socat")),
        File(f"{TOOLS}/haproxy-save-state", render("haproxy/save-state"), mode=0o755),
        Directory(drop_in),
        File(f"{drop_in}/state.conf", render("haproxy/state.conf")),
        File(f"{drop_in}/hardening.conf", render("haproxy/hardening.conf"), notify=(f"restart:{UNIT}",)),
        *(_script(path, settings) for path in SCRIPTS),
        File(
            "/etc/haproxy/haproxy.cfg",
            _config(settings, edge, ports),
            validate="haproxy -c -q -f {}",
            notify=(f"reload:{UNIT}",),
        ),
        Unit(
            UNIT,
            ready=f"timeout 20 sh -c 'until echo show info | {ADMIN} | grep -q ^Uptime; do sleep 0.1; done'",
        ),
        NoLeftoverDrain(tuple(node.name for node in settings.inventory.having("app"))),
    ]


def _script(path: str, settings: Settings) -> File:
    """One of HAProxy's Lua scripts."""
    text = render(
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
        notify=(f"reload:{UNIT}",),
    )


LEASE = 30
"""Seconds for which a healer may be away on purpose without renewing its lease."""


def others(settings: Settings, edge: Node) -> list[Node]:
    """The edges besides `edge`: each one's nginx may use the other's HAProxy."""
    return [node for node in settings.inventory.having("edge") if node != edge]


def _config(settings: Settings, edge: Node, ports: Ports) -> str:
    return render(
        "haproxy/haproxy.cfg",
        edge=settings.edge,
        address=edge.address,
        lease=LEASE,
        inner=INNER,
        peers=others(settings, edge),
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
        return f"grep -H '' {DRAINED}/* 2>/dev/null; true"

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
        script = "".join(map(undrain, left)) + "".join(f"rm -f {DRAINED}/{q(name)}\n" for name in gone)
        return Change("; ".join(doings), (Shell(script),))


def drain(node: str, why: str) -> str:
    """Script: no new requests for `node` on this edge; the reason is on record before it happens."""
    record = f"mkdir -p {DRAINED}; printf '%s\\n' {q(why)} >{DRAINED}/{q(node)}\n"
    return record + _mark(node, "maint") + _tell(f"set server health/{node} state drain") + SAVE


def undrain(node: str) -> str:
    """Script: `node` takes requests again, as far as its checks allow."""
    return _mark(node, "ready") + _tell(f"set server health/{node} state ready") + SAVE + f"rm -f {DRAINED}/{q(node)}\n"


def _mark(node: str, state: str) -> str:
    """Script: the healers learn whose drain it is. (A HAProxy whose configuration is older has no place for it.)"""
    return f"echo {q(f'set server kept_out/{node} state {state}')} | {ADMIN} >/dev/null\n"


def _tell(command: str) -> str:
    """Script: HAProxy does as told; it answers only when it does not."""
    return f'said=$(echo {q(command)} | {ADMIN}) || exit 1\n[ -z "$said" ] || {{ echo "$said" >&2; exit 1; }}\n'


def place(node: Node, port: int) -> str:
    """Script: this edge finds `node` at its address and `port`, now and after any restart. Nothing is reloaded."""
    return render("haproxy/place", node=node, port=port, ours=q(OURS), admin=ADMIN)


def drained_by_deploy() -> str:
    """Read-only shell text that prints, for `names`, which nodes a deploy took out on this edge."""
    return f"grep -ls '^deploy ' {DRAINED}/* 2>/dev/null; true"


def names(seen: Reading) -> list[str]:
    """The nodes in the output of `drained_by_deploy`."""
    return [line.rpartition("/")[2] for line in seen.out.split()]


def recorded(node: str) -> str:
    """Read-only shell text that prints who took `node` out on this edge and why; nothing when nobody did."""
    return f"cat {DRAINED}/{q(node)} 2>/dev/null; true"


def drained_by_operator(node: str) -> str:
    """Read-only shell text that succeeds when a person, not a deploy, took `node` out on this edge."""
    return f"grep -qs '^operator ' {DRAINED}/{q(node)}"
