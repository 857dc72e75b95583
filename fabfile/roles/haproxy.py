"""The balancer behind nginx on each edge: checks, retries, one backend an endpoint, drains that survive a reload."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..engine.command import Shell
from ..engine.shell import STATE, Reading, q
from ..engine.step import Change, Step
from ..inventory import Node
from ..settings import Settings
from ..steps.file import Directory, File
from ..steps.package import Packages
from ..steps.template import render
from ..steps.unit import Unit
from .app import HEALTH
from .base import TOOLS
from .endpoints import ENDPOINTS, REFUSALS, Endpoint

UNIT = "haproxy.service"
INNER = 8081
"""Port on the edge's loopback where nginx hands requests over."""
EDGE_HEALTH = "/edge-health"
"""Answered by HAProxy itself: 200 says that an edge works, whatever the app does."""
SOCKET = "/run/haproxy/admin.sock"
ADMIN = f"socat -t2 stdio unix-connect:{SOCKET}"
"""Shell text: sends its input to HAProxy. (Without `unix-connect` socat makes a plain file where it finds no socket, as after a
kill -9, and HAProxy cannot start for it.)"""
DRAINED = f"{STATE}/drained"
"""On an edge: one file per drained node, holding who drained it and why.

`deploy RUN`: the next deploy may put it back. `gate RUN: …`: its release is not proven; only the gate puts it back.
`operator …`: only a person does."""

PACE = "/etc/haproxy/pace.lua"
"""How many requests a second go to the nodes."""
AWAIT = "/etc/haproxy/database.lua"
"""What waits while the database is away."""
REPORT = "/etc/haproxy/ill.lua"
"""What takes a node out that says it is ill."""
ILL = "I feel bad."
"""What an ill app says, with status 500, to everything."""
READ = "/db_dummy"
"""The cheapest call that needs the database."""

SAVE = f"{TOOLS}/haproxy-save-state || true\n"
"""Script: what HAProxy is told of a node outlives its crash. A full disk must not keep a node in or out of service."""


def steps(settings: Settings, edge: Node, port: int) -> list[Step]:
    """The whole role, on `edge`. `port` is where the app serves, as discovery found it."""
    drop_in, nodes = f"/etc/systemd/system/{UNIT}.d", settings.inventory.having("app")
    return [
        Packages(("haproxy", "socat")),
        File(f"{TOOLS}/haproxy-save-state", render("haproxy/save-state"), mode=0o755),
        Directory(drop_in),
        File(f"{drop_in}/state.conf", render("haproxy/state.conf")),
        File(f"{drop_in}/hardening.conf", render("haproxy/hardening.conf"), notify=(f"restart:{UNIT}",)),
        _script(PACE, edge=settings.edge, nodes=nodes),
        _script(AWAIT, nodes=nodes, port=port, read=READ),
        _script(REPORT),
        File(
            "/etc/haproxy/haproxy.cfg",
            _config(settings, edge, port),
            validate="haproxy -c -q -f {}",
            notify=(f"reload:{UNIT}",),
        ),
        Unit(
            UNIT,
            ready=f"timeout 20 sh -c 'until echo show info | {ADMIN} | grep -q ^Uptime; do sleep 0.1; done'",
        ),
        NoLeftoverDrain(),
    ]


def _script(path: str, **values: object) -> File:
    """One of HAProxy's Lua scripts."""
    return File(
        path,
        render(f"haproxy/{path.rpartition('/')[2]}", **values),
        validate="printf 'global\\n lua-load %s\\n' {} | haproxy -c -q -f /dev/stdin 2>&1 || [ $? = 2 ]",  # 2: right, no listener
        notify=(f"reload:{UNIT}",),
    )


LEASE = 30
"""Seconds for which a healer may be away on purpose without renewing its lease."""


def _config(settings: Settings, edge: Node, port: int) -> str:
    return render(
        "haproxy/haproxy.cfg",
        edge=settings.edge,
        address=edge.address,
        lease=LEASE,
        inner=INNER,
        edge_health=EDGE_HEALTH,
        refusals=REFUSALS,
        nodes=settings.inventory.having("app"),
        port=port,
        health=HEALTH,
        pace=PACE,
        waiting=AWAIT,
        report=REPORT,
        ill=ILL,
        endpoints=ENDPOINTS,
        backends=(*ENDPOINTS, Endpoint("ep_other", "")),
    )


@dataclass(frozen=True)
class NoLeftoverDrain(Step):
    """No node stays drained by a deploy that died. What an operator drained stays drained (and `status` shows it)."""

    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`no leftover drain`."""
        return "no leftover drain"

    def probe(self) -> str:
        """The nodes that a deploy drained."""
        return drained_by_deploy()

    def decide(self, seen: Reading) -> Change | None:
        """Put them back."""
        nodes = names(seen)
        if not nodes:
            return None
        return Change(
            f"undrain {', '.join(nodes)} (a deploy that did not finish drained it)",
            (Shell("".join(map(undrain, nodes))),),
        )


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


def healing(nodes: Sequence[Node]) -> str:
    """Read-only shell text that prints, for `parse_healing`, what the nodes' healers do by way of this edge."""
    asked = "".join(f"get var proc.healer_drained{number};" for number, _ in enumerate(nodes, 1))
    asked += "get var proc.healer_away;get var proc.healer_until"
    return f"echo '{asked}' | {ADMIN} 2>/dev/null; date +now=%s"


@dataclass(frozen=True)
class Healing:
    """What the healers do: the nodes they have drained here, and the address of the one that is away on purpose (or nothing)."""

    drained: tuple[str, ...] = ()
    away: str = ""


def parse_healing(nodes: Sequence[Node], text: str) -> Healing:
    """The output of `healing` for the same `nodes`."""
    found = dict(re.findall(r"^proc\.healer_(\w+): type=\w+ value=<(.*)>$", text, re.M))
    drained = tuple(node.name for number, node in enumerate(nodes, 1) if found.get(f"drained{number}") == "1")
    now = int(text.rpartition("now=")[2] or 0)
    return Healing(drained, found.get("away", "") if int(found.get("until", 0)) > now else "")


def stat() -> str:
    """Script that prints HAProxy's statistics as CSV, for `parse_stat`."""
    return f"echo 'show stat' | {ADMIN}"


@dataclass(frozen=True)
class Server:
    """A node as one edge's balancer sees it. `in_flight` counts its requests over all backends."""

    node: str
    status: str
    in_flight: int
    queued: int
    requests: int = 0
    """Given to it since the balancer's start."""
    errors: int = 0
    """5xx from it, broken connections, and requests that had to be asked again elsewhere."""

    @property
    def up(self) -> bool:
        """Whether it gets requests."""
        return self.status.startswith("UP")


def parse_stat(csv: str) -> dict[str, Server]:
    """The nodes in the output of `stat`, by name; panic servers are counted to their node's requests."""
    rows = [line.split(",") for line in csv.splitlines() if line and not line.startswith("#")]
    head = next((line.lstrip("# ").split(",") for line in csv.splitlines() if line.startswith("#")), [])
    if not head:
        return {}
    at = {title: number for number, title in enumerate(head)}
    status: dict[str, str] = {}
    load: dict[str, list[int]] = {}
    for row in rows:
        name, backend = row[at["svname"]], row[at["pxname"]]
        if name in ("FRONTEND", "BACKEND"):
            continue
        if backend == "health":
            status[name] = row[at["status"]]
            continue
        sums = load.setdefault(name.removeprefix("panic-"), [0] * len(SUMMED))
        for place, titles in enumerate(SUMMED):
            sums[place] += sum(int(row[at[title]] or 0) for title in titles if title in at)
    return {name: Server(name, seen, *load.get(name, [0] * len(SUMMED))) for name, seen in status.items()}


SUMMED = (("scur",), ("qcur",), ("stot",), ("hrsp_5xx", "econ", "eresp", "wretr"))
"""HAProxy's columns behind `Server`'s numbers."""
