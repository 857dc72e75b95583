"""Scripts and probes for keepalived on an edge: the state of an edge, and the handover of the
floating address."""

from __future__ import annotations

from dataclasses import dataclass

from ..engine.shell import STATE, q
from ..settings.paths import CURL, TOOLS
from ..settings.settings import Settings
from .haproxy import EDGE_HEALTH

KEEPALIVED_UNIT = "keepalived.service"

INTERFACE = "/run/runbook-edge.conf"
"""A start of keepalived reads the name of its interface from this file."""

EDGE_DRAINED = f"{STATE}/edge-drained"
"""The file on a drained edge: `1`, then who drained the edge and why (`deploy RUN` or
`operator …`)."""

HANDOVER_TOOL = f"{TOOLS}/edge-handover"


def check_command(settings: Settings) -> str:
    """Shell command that succeeds when the edge can serve: a request passes nginx and HAProxy."""
    curl = f"/usr/bin/{CURL}127.0.0.1 -sf -o /dev/null --max-time 0.9"
    return f"{curl} http://127.0.0.1:{settings.edge.port}{EDGE_HEALTH}"


@dataclass(frozen=True)
class EdgeState:
    """The state of an edge. `drained` holds who drained the edge and why; empty when it is not
    drained."""

    name: str
    reachable: bool = True
    holds: bool = False
    running: bool = False
    healthy: bool = False
    drained: str = ""

    @property
    def can_hold(self) -> bool:
        """Whether the edge can take the floating address."""
        return self.running and self.healthy and not self.drained


def edge_probe(settings: Settings) -> str:
    """Read-only shell text that prints the state of an edge; `parse_edge` reads its output."""
    return (
        f"{holds_probe(settings.edge.address)} && echo holds\n"
        f"systemctl is-active -q {KEEPALIVED_UNIT} && echo running\n"
        f"{check_command(settings)} && echo healthy\n"
        f'[ ! -e {EDGE_DRAINED} ] || echo "drained $(cut -d" " -f2- {EDGE_DRAINED})"\ntrue'
    )


def parse_edge(name: str, text: str) -> EdgeState:
    """Parse the output of `edge_probe`."""
    found = {word: rest for word, _, rest in (line.partition(" ") for line in text.splitlines())}
    return EdgeState(
        name,
        holds="holds" in found,
        running="running" in found,
        healthy="healthy" in found,
        drained=(found["drained"] or "unknown by whom") if "drained" in found else "",
    )


def holds_probe(address: str) -> str:
    """Read-only shell text that succeeds when the floating address is on an interface other than
    lo."""
    return f"ip -o -4 address show to {address} | grep -qv ' lo '"


def drain_edge_script(why: str) -> str:
    """Script that drains this edge: it gives the address up as soon as another edge can take it.
    keepalived watches the file, so the reason is always recorded."""
    return (
        f"printf '1 %s\\n' {q(why)} >{EDGE_DRAINED}.new && mv -f {EDGE_DRAINED}.new"
        f" {EDGE_DRAINED}\n"
    )


def undrain_edge_script() -> str:
    """Script that lets this edge hold the address again. The address does not move."""
    return f"rm -f {EDGE_DRAINED}\n"


def take_script(giver: str, address: str) -> str:
    """Script for an edge that may take `address`: it forwards the packets of open connections to
    the edge at the address `giver`."""
    return f"{HANDOVER_TOOL} take {giver} {address}\n"


def give_script(address: str) -> str:
    """Script for the edge that will lose `address`: it keeps serving its open connections."""
    return f"{HANDOVER_TOOL} give {address}\n"


def settle_script(address: str, seconds: int) -> str:
    """Script for the edge that lost `address`. It waits until the open connections have ended, and
    reloads nginx, which closes idle connections. It waits for at most `seconds`, and prints how
    many connections are left."""
    return f"{HANDOVER_TOOL} settle {address} {seconds}\n"


def end_script(address: str) -> str:
    """Script for all edges: it removes all traces of a handover."""
    return f"{HANDOVER_TOOL} end {address}\n"
