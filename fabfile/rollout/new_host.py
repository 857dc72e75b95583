"""What a deploy asks of a host that the runbook has never changed, and `fab preflight` of any."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..control.site_front import find_front
from ..engine.errors import RunbookError
from ..engine.fleet import Fleet
from ..engine.host import Node
from ..engine.step import Step
from .condition import Precondition
from .fitness import system_conditions
from .needs import MIB, disk_needs, memory_needs
from .package_sources import needed_packages, package_condition
from .space import disk_condition, memory_condition
from .system import System
from .trial import needed_routes, try_routes
from .trial_verdict import judge_trial

TYPICAL_BINARY = 16 * MIB
"""Bytes that are assumed for the binary while it is not on this machine."""


def fitness_conditions(
    system: System, node: Node, phases: Sequence[str], planned: Sequence[Step]
) -> list[Precondition]:
    """Whether `node` can run what a deploy of `phases` installs. `planned` are its steps."""
    settings, source = system.settings, system.source
    size = source.stat().st_size if source.is_file() else TYPICAL_BINARY
    return [
        *system_conditions(node),
        disk_condition(node, disk_needs(settings, node, size)),
        memory_condition(node, memory_needs(settings, node)),
        package_condition(node, needed_packages(system, node, phases, planned)),
    ]


def app_ports(system: System) -> dict[str, int]:
    """The app's port on each node, as far as it is known."""
    nodes = system.settings.inventory.having("app")
    known = {node.name: system.facts.port for node in nodes} if system.facts else {}
    return {**known, **system.ports}


def find_blocked_routes(
    system: System, fleet: Fleet, new_hosts: Collection[str]
) -> list[tuple[str, RunbookError]]:
    """Try the connections from and to `new_hosts`; what is blocked, each with the host that blocks
    it."""
    settings = system.settings
    routes = {
        source: [route for route in some if {source, route.target} & set(new_hosts)]
        for source, some in needed_routes(settings, fleet, app_ports(system)).items()
    }
    edges = {node.name for node in fleet.having("edge")}
    floating = find_front(settings).moving_address
    vrrp = bool(floating) and len(edges) > 1 and bool(edges & set(new_hosts))
    return judge_trial(settings, try_routes(settings, fleet, routes, vrrp=vrrp))
