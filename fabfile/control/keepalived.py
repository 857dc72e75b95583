"""Scripts and probes for keepalived on an edge: the floating address and its handover."""

from __future__ import annotations

from ..settings.paths import TOOLS

KEEPALIVED_UNIT = "keepalived.service"

INTERFACE = "/run/runbook-edge.conf"
"""A start of keepalived reads the name of its interface from this file."""

HANDOVER_TOOL = f"{TOOLS}/edge-handover"


def holds_probe(address: str) -> str:
    """Read-only shell text that succeeds when the floating address is on an interface other than
    lo."""
    return f"ip -o -4 address show to {address} | grep -qv ' lo '"


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
