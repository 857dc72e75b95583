"""Check with the survey whether a host can take the deploy, before anything is changed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ..engine.errors import RunbookError
from ..engine.host import Node
from ..engine.shell import Reading
from ..roles.firewall import is_managed
from ..roles.ports import list_ports
from ..settings.settings import Settings
from .condition import NOTHING, Precondition, no_answer
from .foreign_firewall import firewall_condition
from .listeners import Conflict, find_conflicts, listener_probe
from .system import PHASES, System


def preconditions(system: System, node: Node, phases: Sequence[str]) -> list[Precondition]:
    """The conditions on `node` for a deploy of `phases`."""
    settings = system.settings
    roles = [
        PHASES[phase].role
        for phase in phases
        if phase in LISTENING and PHASES[phase].role in node.roles
    ]
    if not roles:
        return []
    app_port = system.facts.port if system.facts else None
    needed = [port for role in roles for port in list_ports(settings, node, role, app_port)]
    conditions = [
        Precondition(
            "address",
            ADDRESSES,
            partial(judge_address, settings, node),
            lambda reading: "is on the host",
        )
    ]
    if needed:
        probe = listener_probe(needed, settings.database.version)

        def judge(reading: Reading) -> list[RunbookError]:
            return judge_ports(node, find_conflicts(needed, reading))

        numbers = ", ".join(str(number) for number in sorted({port.number for port in needed}))
        conditions.append(
            Precondition("ports", probe, judge, lambda reading: f"{numbers} free, or ours")
        )
    if is_managed(settings):
        conditions.append(firewall_condition(settings, node))
    return conditions


LISTENING = ("server", "app", "edge", "monitoring")
"""The phases that install something that listens on a port."""

COSTS = {
    "postgres": "PostgreSQL would listen on this host only: the app nodes would find no database",
    "app": "database and edges would know the app node by an address that it does not send from",
    "monitoring": "the exporters on the other hosts would refuse its requests",
    "edge": "HAProxy and keepalived could not bind to it, and would not start",
}
"""What would go wrong on a host without its address from the site file, by role."""

ADDRESSES = "ip -o -4 address show"


def addresses(text: str) -> dict[str, str]:
    """The interface of each address/prefix, from the output of `ADDRESSES`."""
    rows = [line.split() for line in text.splitlines()]
    return {row[3]: row[1] for row in rows if len(row) > 3 and row[2] == "inet"}


def _has_address(found: dict[str, str], address: str) -> bool:
    """Whether the host owns `address`. On `lo` it owns the whole network."""
    from ipaddress import ip_address, ip_interface

    return any(
        address == own.partition("/")[0]
        or (interface == "lo" and ip_address(address) in ip_interface(own).network)
        for own, interface in found.items()
    )


def judge_address(settings: Settings, node: Node, reading: Reading) -> list[RunbookError]:
    """Check that the host owns its address from the site file: its services bind to it and send
    from it."""
    found = addresses(reading.out)
    if not found:
        return [no_answer(node.name, "which addresses it has", reading)]
    if _has_address(found, node.address):
        return []
    own = {
        text.partition("/")[0]: interface for text, interface in found.items() if interface != "lo"
    }
    own.pop(settings.edge.address, None)  # a floating address belongs to no host
    listed = ", ".join(f"{address} ({interface})" for address, interface in own.items())
    likely = next(iter(own), "…")
    cost = next(text for role, text in COSTS.items() if role in node.roles)
    return [
        RunbookError(
            f"{node.name} has no address {node.address}, it has {listed or 'none but localhost'}:"
            f" is {node.address} a NAT or elastic IP?",
            f"{cost}; {NOTHING}",
            f'set address = "{likely}" under [hosts.{node.name}] in {settings.path}, and run this'
            " from a machine that reaches it there (same network, VPN)",
        )
    ]


def judge_ports(node: Node, found: Sequence[Conflict] | Reading) -> list[RunbookError]:
    """One problem for each conflict. A port is also free if our own unit holds it."""
    if isinstance(found, Reading):
        return [no_answer(node.name, "who listens on its ports", found)]
    return [
        RunbookError(
            f"{node.name}: {conflict.description}",
            f"{conflict.unit_list} must listen there. It would not start, or it would take the port"
            f" at the next restart or boot and cut off the users of the other; {NOTHING}",
            f"on {node.name}: {conflict.way_out}; or give this role to another host in the site"
            " file",
        )
        for conflict in found
    ]
