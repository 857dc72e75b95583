"""Whether a host can take what a deploy would put on it: asked with the survey, before anything
is changed anywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from ..engine.converge import Outcome, State
from ..engine.errors import RunbookError
from ..engine.host import Node
from ..engine.shell import Reading
from ..roles.ports import ports
from ..settings.settings import Settings
from . import listeners
from .listeners import Conflict
from .system import PHASES, System

NOTHING = "nothing was changed"


@dataclass(frozen=True)
class Precondition:
    """One question to one host before a deploy. All questions of a host travel in the survey's
    script."""

    name: str
    probe: str
    """Read-only shell text; it takes some 10 ms, for a deploy that changes nothing asks it as
    well."""
    judge: Callable[[Reading], Sequence[RunbookError]]
    """Pure. Each finding ends the deploy before it begins. An answer that could not be had is a
    finding."""


def preconditions(system: System, node: Node, phases: Sequence[str]) -> list[Precondition]:
    """What must hold on `node` before `phases` change anything there."""
    settings = system.settings
    roles = [
        PHASES[phase].role
        for phase in phases
        if phase in LISTENING and PHASES[phase].role in node.roles
    ]
    if not roles:
        return []
    app_port = system.facts.port if system.facts else None
    needed = [port for role in roles for port in ports(settings, node, role, app_port)]
    asked = [Precondition("address", ADDRESSES, partial(judge_address, settings, node))]
    if needed:
        probe = listeners.probe(needed, settings.database.version)
        asked.append(
            Precondition(
                "ports", probe, lambda seen: judge_ports(node, listeners.conflicts(needed, seen))
            )
        )
    return asked


def unmet(asked: Sequence[Precondition], readings: Sequence[Reading]) -> list[Outcome]:
    """Return each unmet precondition as a failed step of the plan. One is enough to stop the
    rollout before it changes any host."""
    return [
        Outcome(precondition.name, State.FAILED, error.problem, error=error)
        for precondition, seen in zip(asked, readings, strict=True)
        for error in precondition.judge(seen)
    ]


LISTENING = ("server", "app", "edge", "monitoring")
"""The phases that set up what listens."""

COSTS = {
    "postgres": "PostgreSQL would listen on this host only: the app nodes would find no database",
    "app": "database and edges would know the app node by an address that it does not send from",
    "monitoring": "the other hosts would refuse to tell it their figures",
    "edge": "HAProxy and keepalived could not bind to it, and would not start",
}
"""By role: what goes wrong on a host that does not have the address of the site file."""

ADDRESSES = "ip -o -4 address show"


def addresses(text: str) -> dict[str, str]:
    """Address/prefix → interface, from the output of `ADDRESSES`."""
    rows = [line.split() for line in text.splitlines()]
    return {row[3]: row[1] for row in rows if len(row) > 3 and row[2] == "inet"}


def _has(found: dict[str, str], address: str) -> bool:
    """Whether the address is the host's own: one of an interface, or any of the whole network on
    `lo`."""
    from ipaddress import ip_address, ip_interface

    return any(
        address == own.partition("/")[0]
        or (interface == "lo" and ip_address(address) in ip_interface(own).network)
        for own, interface in found.items()
    )


def judge_address(settings: Settings, node: Node, seen: Reading) -> list[RunbookError]:
    """The address of the site file is one of the host's own: what runs there binds to it, and
    sends from it."""
    found = addresses(seen.out)
    if not found:
        return [_no_answer(node, "which addresses it has", seen)]
    if _has(found, node.address):
        return []
    named = {
        own.partition("/")[0]: interface for own, interface in found.items() if interface != "lo"
    }
    others = {
        address: interface
        for address, interface in named.items()
        if address != settings.edge.address
    }
    has = (
        ", ".join(f"{address} ({interface})" for address, interface in others.items())
        or "none but localhost"
    )
    likely = next(iter(others), "…")
    return [
        RunbookError(
            f"{node.name} has no address {node.address}, it has {has}: is {node.address} a NAT or"
            " elastic IP?",
            f"{next(cost for role, cost in COSTS.items() if role in node.roles)}; {NOTHING}",
            f'set address = "{likely}" under [hosts.{node.name}] in {settings.path}, and run this'
            " from a machine that reaches it there (same network, VPN)",
        )
    ]


def judge_ports(node: Node, found: Sequence[Conflict] | Reading) -> list[RunbookError]:
    """Every port is free, or held by the unit that the runbook puts there; each holder once,
    with all its ports."""
    if isinstance(found, Reading):
        return [_no_answer(node, "who listens on its ports", found)]
    return [
        RunbookError(
            f"{node.name}: {conflict.what}",
            f"{conflict.wants} must listen there. It would not start, or take the port at the next"
            f" restart or boot, and then the other's users are out; {NOTHING}",
            f"on {node.name}: {conflict.way_out}; or give this role to another host in the site"
            " file",
        )
        for conflict in found
    ]


def _no_answer(node: Node, what: str, seen: Reading) -> RunbookError:
    words = seen.out.strip().splitlines()
    return RunbookError(
        f"{node.name} does not say {what}: {words[-1] if words else f'exit {seen.code}'}",
        f"what is not known could be in the way of a deploy; {NOTHING}",
        f"on {node.name}: apt-get install iproute2; then fab plan",
    )
