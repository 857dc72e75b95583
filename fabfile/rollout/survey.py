"""What a deploy finds on the hosts before it starts, in one ssh session for each host."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..console.rollup import HostReport
from ..control.clocks import NOW_PROBE, ClockOffset
from ..control.site_front import find_front
from ..engine import lock as locks
from ..engine.converge import Outcome, predict_outcomes
from ..engine.errors import RunbookError
from ..engine.fleet import Fleet
from ..engine.host import Node
from ..engine.link import Link
from ..engine.shell import Reading
from .between_hosts import find_offset, judge_clock, judge_clocks, judge_edge_network
from .condition import Precondition, failed_outcome, is_new_host, only_on_new_host, unmet
from .first_boot import BootReport, read_after_first_boot
from .new_host import fitness_conditions
from .preflight import addresses, preconditions
from .system import System


@dataclass
class Survey:
    """What a deploy finds on the hosts before it starts.

    Attributes:
        hosts: the plan of each host.
        locks: the content of the lock file of each host, by name.
        serving: the edges that serve users.
        new_hosts: the hosts that the runbook has never changed, each with its clock.
    """

    hosts: list[HostReport] = field(default_factory=list)
    locks: dict[str, str] = field(default_factory=dict)
    serving: list[str] = field(default_factory=list)
    new_hosts: dict[str, ClockOffset | None] = field(default_factory=dict)

    def add_problems(self, check: str, problems: Iterable[tuple[str, RunbookError]]) -> None:
        """Add to the plans of hosts what `check` found, each problem with the name of its host."""
        reports = {report.host: report for report in self.hosts}
        for host, error in problems:
            report = reports.get(host, self.hosts[0])
            report.outcomes.insert(0, failed_outcome(check, error))


@dataclass
class HostSurvey:
    """The answers of one host: its plan, its lock file, whether it is an edge that serves users,
    and, only on a new host, its clock."""

    outcomes: list[Outcome]
    lock: str
    serves: bool
    is_new: bool = False
    offset: ClockOffset | None = None


def survey_hosts(
    fleet: Fleet, system: System, phases: Sequence[str], report: BootReport | None = None
) -> Survey:
    """Find out what a deploy would change, and what stops it, in one ssh session for each host.

    With `report`, a host in its first boot is read when that has ended.
    """
    survey = Survey()
    results = fleet.each(lambda node: _survey_host(fleet.link(node), system, phases, node, report))
    for name, result in results.items():
        if isinstance(result, RunbookError):
            survey.hosts.append(HostReport(name, error=result))
            continue
        survey.hosts.append(HostReport(name, result.outcomes))
        survey.locks[name] = result.lock
        if result.serves:
            survey.serving.append(name)
        if result.is_new:
            survey.new_hosts[name] = result.offset
    if apart := judge_clocks(survey.new_hosts):
        survey.add_problems("clock", ((next(iter(survey.new_hosts)), error) for error in apart))
    return survey


def _survey_host(
    link: Link, system: System, phases: Sequence[str], node: Node, report: BootReport | None
) -> HostSurvey:
    serving_probe = find_front(system.settings).serving_probe()
    steps = [step for phase in phases for step in system.steps(node, phase)]
    conditions = preconditions(system, node, phases)
    if conditions:
        fitness = fitness_conditions(system, node, phases, steps)
        conditions.append(only_on_new_host(node.name, fitness))
    probes = [condition.probe for condition in conditions]
    probes += [step.probe() for step in steps]
    asked = time.time()
    # After a wait for a first boot the clock is not known well: the wait counts as its slack.
    first, lock, serving, *readings, last = read_after_first_boot(
        link, [NOW_PROBE, locks.PROBE, serving_probe, *probes, NOW_PROBE], report
    )
    answered = time.time()
    outcomes = [
        *unmet(conditions, readings[: len(conditions)]),
        *predict_outcomes(steps, readings[len(conditions) :]),
    ]
    found = HostSurvey(outcomes, lock.out, serving.code == 0)
    if conditions and is_new_host(readings[len(conditions) - 1]):
        found.is_new = True
        found.offset = find_offset(first.out, last.out, asked, answered)
        found.outcomes = [*_judge_new_host(system, node, conditions, readings, found), *outcomes]
    return found


def _judge_new_host(
    system: System,
    node: Node,
    conditions: Sequence[Precondition],
    readings: Sequence[Reading],
    found: HostSurvey,
) -> list[Outcome]:
    """What is wrong with the clock and the network of a new host."""
    problems = [failed_outcome("clock", error) for error in judge_clock(node.name, found.offset)]
    if "edge" in node.roles and find_front(system.settings).moving_address:
        seen = {
            condition.name: reading
            for condition, reading in zip(conditions, readings, strict=False)
        }
        network = judge_edge_network(system.settings, node, addresses(seen["address"].out))
        problems += [failed_outcome("edge network", error) for error in network]
    return problems
