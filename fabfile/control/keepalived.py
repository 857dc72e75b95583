"""The floating address: which edge holds it, and how an edge hands it over."""

from __future__ import annotations

from dataclasses import dataclass

from ..engine.shell import STATE, q
from ..settings.paths import CURL, TOOLS
from ..settings.settings import Settings
from .haproxy import EDGE_HEALTH

KEEPALIVED_UNIT = "keepalived.service"

INTERFACE = "/run/runbook-edge.conf"
"""Where each start of keepalived finds the name of its interface."""

EDGE_DRAINED = f"{STATE}/edge-drained"
"""On a drained edge: `1`, then who drained it and why (`deploy RUN` or `operator …`)."""

HANDOVER_TOOL = f"{TOOLS}/edge-handover"


def check_command(settings: Settings) -> str:
    """The command by which an edge finds out whether it can serve: nginx, HAProxy, and the way
    through both."""
    ask = f"/usr/bin/{CURL}127.0.0.1 -sf -o /dev/null --max-time 0.9"
    return f"{ask} http://127.0.0.1:{settings.edge.port}{EDGE_HEALTH}"


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
    """Script: this edge lets the address go as soon as another can have it; the reason is on
    record before it happens."""
    return (
        f"printf '1 %s\\n' {q(why)} >{EDGE_DRAINED}.new && mv -f {EDGE_DRAINED}.new"
        f" {EDGE_DRAINED}\n"
    )


def undrain_edge_script() -> str:
    """Script: this edge may have the address again. Nothing moves."""
    return f"rm -f {EDGE_DRAINED}\n"


def take_script(giver: str, address: str) -> str:
    """Script for an edge that may get `address` from the one at `giver`: packets of the giver's
    connections go there."""
    return f"{HANDOVER_TOOL} take {giver} {address}\n"


def give_script(address: str) -> str:
    """Script for the edge that will lose `address`: it goes on answering its connections."""
    return f"{HANDOVER_TOOL} give {address}\n"


def settle_script(address: str, most: int) -> str:
    """Script for the edge that has lost it: ends its connections in good manners, prints how
    many outlived `most` seconds."""
    return f"{HANDOVER_TOOL} settle {address} {most}\n"


def end_script(address: str) -> str:
    """Script for all edges: nothing is left of a handover."""
    return f"{HANDOVER_TOOL} end {address}\n"
