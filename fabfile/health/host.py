"""The status of a host, from a single ssh session: figures, units, balancer, drains, lock, and
health checks."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ..control import haproxy_stats
from ..control.clocks import ClockOffset
from ..control.front import EdgeState
from ..control.haproxy import DRAINS_PROBE, parse_drains
from ..control.site_front import edge_probe, parse_edge
from ..engine import lock as locks
from ..engine.errors import RunbookError
from ..engine.fleet import Fleet
from ..engine.host import Node
from ..engine.journal import HOST_JOURNAL
from ..engine.problem import Problem
from ..engine.shell import Reading
from ..engine.step import PENDING
from ..roles import healer
from ..settings.paths import ROOT
from ..settings.settings import Settings
from . import alerts, network, units
from .checks import health_checks
from .clock import find_clock_problems, read_offset
from .network import NetworkView
from .unit_state import UnitState, parse_units
from .verdict import find_balancer_problems, find_drain_problems, find_pending_problems

FIGURES = f"""printf 'load=%s\\n' "$(cut -d' ' -f1 /proc/loadavg)"
printf 'mem=%s\\n' "$(awk '/MemTotal/{{t=$2}} /MemAvailable/{{a=$2}}
  END{{printf "%d", 100-100*a/t}}' /proc/meminfo)"
printf 'release=%s\\n' "$(readlink {ROOT}/current 2>/dev/null)"
for file in {PENDING}/*; do [ -e "$file" ] && echo "pending=${{file##*/}}"; done
printf 'time=%s\\n' "$(date +%s.%N)"
printf 'last=%s\\n' "$(tail -n 1 {HOST_JOURNAL} 2>/dev/null)"
true"""


@dataclass
class HostStatus:
    """The status of a host. `problems` is empty if the host is healthy.

    The names of the fields are keys in the JSON of `fab status`.
    """

    host: str
    roles: tuple[str, ...]
    reachable: bool = True
    facts: dict[str, str] = field(default_factory=dict)
    """`load`, `mem` (percent), `time`, `release`, `last` (line of the journal), and what the checks
    add: `disk` (percent), `log` (bytes), `certificate` (days), `deploy`, `act`."""
    clock: ClockOffset | None = None
    units: dict[str, UnitState] = field(default_factory=dict)
    """The units that must run here."""
    servers: dict[str, haproxy_stats.Server] = field(default_factory=dict)
    drained: dict[str, str] = field(default_factory=dict)
    edge: EdgeState | None = None
    """Only on an edge of a site with a floating address: whether the edge holds the address, could
    take it, or is drained."""
    healer: str = ""
    """On an app node: the status text of its healer, if the healer runs."""
    healing: list[str] = field(default_factory=list)
    """On an edge: nodes that their healers drained to restart the app."""
    pending: list[str] = field(default_factory=list)
    """Pending restarts and reloads, as `UNIT.ACTION`."""
    lock: str = ""
    network: NetworkView = field(default_factory=NetworkView)
    alerts: list[Problem] = field(default_factory=list)
    """On the monitoring host: what fires, on any host."""
    problems: list[Problem] = field(default_factory=list)

    @property
    def down(self) -> bool:
        """Whether a problem affects users."""
        return any(problem.down for problem in self.problems)


def unreachable_host(settings: Settings, name: str, error: RunbookError) -> HostStatus:
    """Return the status of a host that could not be read."""
    (node,) = settings.inventory.select([name])
    return HostStatus(
        name, node.roles, reachable=False, problems=[Problem(str(error), error.next, cause=False)]
    )


def read_host(settings: Settings, fleet: Fleet, node: Node) -> HostStatus:
    """Read the status of `node`.

    Raises:
        RunbookError: the host cannot be reached, or its user may not use sudo.
    """
    is_edge = "edge" in node.roles
    shares = is_edge and bool(settings.edge.address)
    nodes = settings.inventory.having("app")
    probes = [
        FIGURES,
        locks.PROBE,
        haproxy_stats.stat_script() + " 2>/dev/null; true" if is_edge else "true",
        DRAINS_PROBE,
        edge_probe(settings) if shares else "true",
        haproxy_stats.healing_probe(nodes) if is_edge else "true",
        network.network_probe(settings, node),
    ]
    checks = health_checks(settings, node)
    link = fleet.link(node)  # opens the connection, whose time must not count
    asked = time.time()
    answers = link.read([*probes, *(check.probe for check in checks)])
    answered = time.time()
    figures, lock, stat, drains, edge, healing, paths = answers[: len(probes)]
    host = HostStatus(node.name, node.roles)
    _read_figures(host, figures)
    host.clock = read_offset(host.facts.get("time", ""), asked, answered)
    host.drained = parse_drains(drains.out)
    holder = locks.parse_holder(lock.out)
    host.lock = f"{holder.who}: {holder.task} {holder.reason}".strip() if holder else ""
    host.servers = haproxy_stats.parse_stat(stat.out)
    host.edge = parse_edge(settings, node.name, edge.out) if shares else None
    host.healing = list(haproxy_stats.parse_healing(nodes, healing.out).drained)
    host.network = network.parse_network(paths.out)
    for check, answer in zip(checks, answers[len(probes) :], strict=True):
        host.problems.extend(check.judge(answer))
        host.facts.update(check.facts(answer))
        if check.name == alerts.NAME:
            host.alerts = alerts.read_alerts(answer)
        if check.name == units.NAME:
            _read_units(host, parse_units(answer.out), units.needed_units(settings, node))
    host.problems += _find_problems(host, is_edge=is_edge)
    return host


def _find_problems(host: HostStatus, *, is_edge: bool) -> Iterator[Problem]:
    """What its own readings show; the checks have judged theirs."""
    if is_edge:
        drained = [*host.drained, *host.healing]
        yield from find_balancer_problems(host.servers, drained, host.edge)
    yield from find_drain_problems(host.host, host.drained, host.healing, host.edge)
    yield from find_pending_problems(host.pending)
    yield from find_clock_problems(host.clock)


def _read_figures(host: HostStatus, seen: Reading) -> None:
    for line in seen.out.splitlines():
        key, _, value = line.partition("=")
        if key == "pending":
            host.pending.append(value)
        elif value:
            host.facts[key] = value


def _read_units(host: HostStatus, seen: dict[str, UnitState], needed: Sequence[str]) -> None:
    host.units = {name: seen[name] for name in needed if name in seen}
    state = host.units.get(healer.HEALER_UNIT)
    # The status text of a stopped healer is old: do not show it.
    host.healer = state.status if state and state.runs else ""
