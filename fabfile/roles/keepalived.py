"""One address for all edges, and moving it to another edge on purpose without breaking a connection."""

from __future__ import annotations

from dataclasses import dataclass

from ..engine.command import Shell
from ..engine.lock import FILE as LOCK
from ..engine.shell import STATE, Reading, q
from ..engine.step import Change, Step
from ..settings.inventory import Node
from ..settings.settings import Edge, Settings
from ..steps.account import Account
from ..steps.file import Directory, File
from ..steps.package import Packages
from ..steps.template import render_template
from ..steps.unit import Unit
from .base import CURL, TOOLS
from .haproxy import EDGE_HEALTH

KEEPALIVED_UNIT = "keepalived.service"
CHECKER = "keepalived_script"
"""The user that the path check runs as."""
INTERFACE = "/run/runbook-edge.conf"
"""Where each start of keepalived finds the name of its interface."""
EDGE_DRAINED = f"{STATE}/edge-drained"
"""On a drained edge: `1`, then who drained it and why (`deploy RUN` or `operator …`)."""
HANDOVER_TOOL = f"{TOOLS}/edge-handover"
REACH = f"{TOOLS}/edge-reach"
CHECK = "sed 's/script_user .*/script_user root/' {} >{}.root && keepalived -t -f {}.root"
"""Debian 12's keepalived 2.2.7 ends its own test with SIGTERM when a script runs as another user (keepalived issue 2587)."""


def keepalived_steps(settings: Settings, node: Node) -> list[Step]:
    """The whole role, for a site with a floating address."""
    drop_in, restart = f"/etc/systemd/system/{KEEPALIVED_UNIT}.d", (f"restart:{KEEPALIVED_UNIT}",)
    interface = f"{TOOLS}/edge-interface"
    return [
        Packages(("keepalived", "curl", "nftables", "iproute2", "procps")),
        Account(CHECKER),
        File(interface, render_template("keepalived/edge-interface", interface=INTERFACE), mode=0o755),
        File(HANDOVER_TOOL, render_template("keepalived/edge-handover"), mode=0o755),
        File(REACH, render_template("keepalived/edge-reach", node=node), mode=0o755),
        Directory(drop_in),
        File(f"{drop_in}/hardening.conf", render_template("keepalived/hardening.conf"), notify=restart),
        File(
            f"{drop_in}/start.conf",
            render_template("keepalived/start.conf", tools=TOOLS, address=node.address),
            notify=restart,
        ),
        File(
            "/etc/keepalived/keepalived.conf",
            keepalived_config(settings, node),
            validate=f"{interface} {node.address} && {CHECK}",
            notify=(f"reload:{KEEPALIVED_UNIT}",),
        ),
        Unit(
            KEEPALIVED_UNIT,
            ready=_somebody_holds(settings.edge),
        ),
        NoLeftoverHandover(settings.edge.address),
    ]


def keepalived_config(settings: Settings, node: Node) -> str:
    """keepalived's configuration for `node`."""
    return render_template(
        "keepalived/keepalived.conf",
        edge=settings.edge,
        node=node,
        others=[other for other in settings.inventory.having("edge") if other != node],
        interface=INTERFACE,
        user=CHECKER,
        check=check_command(settings),
        reach=REACH,
        drained=EDGE_DRAINED,
    )


def check_command(settings: Settings) -> str:
    """The command by which an edge finds out whether it can serve: nginx, HAProxy, and the way through both."""
    ask = f"/usr/bin/{CURL}127.0.0.1 -sf -o /dev/null --max-time 0.9"
    return f"{ask} http://127.0.0.1:{settings.edge.port}{EDGE_HEALTH}"


def _somebody_holds(edge: Edge, seconds: int = 15) -> str:
    """Shell text: this edge or another has the floating address, at the latest after `seconds` (a host that boots waits 1 s before
    it claims). Another is known by its answer, or, where a firewall keeps edges from each other's port, by ARP."""
    ask = f"{CURL}{edge.address} -s -o /dev/null --max-time 1 http://{edge.address}:{edge.port}{EDGE_HEALTH}"
    arp = f"ip -4 neighbour show to {edge.address} nud reachable | grep -q ."
    wait = f"until {holds_probe(edge.address)} || {ask} || {arp}; do sleep 0.2; done"
    return (
        f"{{ timeout {seconds} sh -c {q(wait)} || {{ echo no edge holds {edge.address} after {seconds} s; false; }}; }}"
    )


@dataclass(frozen=True)
class EdgeState:
    """An edge as it sees itself. `drained` tells who and why, and is empty when it is not."""

    name: str
    reachable: bool = True
    holds: bool = False
    running: bool = False
    healthy: bool = False
    drained: str = ""

    @property
    def able(self) -> bool:
        """Whether it could have the address."""
        return self.running and self.healthy and not self.drained


def edge_probe(settings: Settings) -> str:
    """Read-only shell text that prints what `parse_edge` reads."""
    return (
        f"{holds_probe(settings.edge.address)} && echo holds\n"
        f"systemctl is-active -q {KEEPALIVED_UNIT} && echo running\n"
        f"{check_command(settings)} && echo healthy\n"
        f'[ ! -e {EDGE_DRAINED} ] || echo "drained $(cut -d" " -f2- {EDGE_DRAINED})"\ntrue'
    )


def parse_edge(name: str, text: str) -> EdgeState:
    """The edge in the output of `edge_probe`."""
    said = {word: rest for word, _, rest in (line.partition(" ") for line in text.splitlines())}
    drained = (said["drained"] or "nobody knows by whom") if "drained" in said else ""
    return EdgeState(name, True, "holds" in said, "running" in said, "healthy" in said, drained)


def holds_probe(address: str) -> str:
    """Read-only shell text that succeeds where the floating address lies on a real interface."""
    return f"ip -o -4 address show to {address} | grep -qv ' lo '"


def drain_edge_script(why: str) -> str:
    """Script: this edge lets the address go as soon as another can have it; the reason is on record before it happens."""
    return f"printf '1 %s\\n' {q(why)} >{EDGE_DRAINED}.new && mv -f {EDGE_DRAINED}.new {EDGE_DRAINED}\n"


def undrain_edge_script() -> str:
    """Script: this edge may have the address again. Nothing moves."""
    return f"rm -f {EDGE_DRAINED}\n"


def take_script(giver: str, address: str) -> str:
    """Script for an edge that may get `address` from the one at `giver`: packets of the giver's connections go there."""
    return f"{HANDOVER_TOOL} take {giver} {address}\n"


def give_script(address: str) -> str:
    """Script for the edge that will lose `address`: it goes on answering its connections."""
    return f"{HANDOVER_TOOL} give {address}\n"


def settle_script(address: str, most: int) -> str:
    """Script for the edge that has lost it: ends its connections in good manners, prints how many outlived `most` seconds."""
    return f"{HANDOVER_TOOL} settle {address} {most}\n"


def end_script(address: str) -> str:
    """Script for all edges: nothing is left of a handover."""
    return f"{HANDOVER_TOOL} end {address}\n"


@dataclass(frozen=True)
class NoLeftoverHandover(Step):
    """No edge stays drained, and no packet redirected, by a run that died. What an operator drained stays drained."""

    address: str
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`no leftover handover`."""
        return "no leftover handover"

    def probe(self) -> str:
        """A deploy's drain (of another run than the one under way), rules, the address on lo."""
        return (
            f"run=$(sed -n 's/^run=//p' {LOCK} 2>/dev/null)\n"
            f"grep -s '^1 deploy ' {EDGE_DRAINED} | grep -v \"^1 deploy ${{run:-?}}\"\n"
            f"nft list table netdev runbook_handover >/dev/null 2>&1 && echo rules\n"
            f"ip -o -4 address show dev lo to {self.address} | grep -q . && echo address\ntrue"
        )

    def decide(self, seen: Reading) -> Change | None:
        """End it."""
        if not seen.out.strip():
            return None
        undo = undrain_edge_script() if seen.out.startswith("1 deploy ") else ""
        return Change(
            "end a handover of the address (a run that did not finish began it)",
            (Shell(undo + end_script(self.address)),),
        )
