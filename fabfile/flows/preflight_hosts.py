"""What `fab preflight` reads of one host, and how it is judged."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ..control.clocks import NOW_PROBE, ClockOffset
from ..control.keepalived import holds_probe
from ..control.site_front import find_front
from ..engine.errors import RunbookError
from ..engine.fleet import Fleet
from ..engine.host import Node
from ..engine.shell import Reading
from ..health.network import NetworkView, network_probe, parse_network
from ..roles import app
from ..rollout.between_hosts import (
    describe_clock,
    find_offset,
    judge_clock,
    judge_clocks,
    judge_edge_network,
)
from ..rollout.condition import Precondition
from ..rollout.new_host import fitness_conditions
from ..rollout.preflight import addresses, preconditions
from ..rollout.system import PHASES, System
from ..settings.settings import Settings
from .preflight_table import Findings


@dataclass
class HostAnswers:
    """What one host answered: a reading for each condition, and what is judged across hosts."""

    user: str
    """Who logged in."""
    conditions: list[Precondition]
    readings: list[Reading]
    offset: ClockOffset | None
    view: NetworkView
    app_port: int | None
    is_holder: bool


def list_conditions(system: System, node: Node) -> list[Precondition]:
    """Everything that is judged on `node` alone.

    Raises:
        RunbookError: a file that the site file names cannot be read.
    """
    phases = tuple(PHASES)
    planned = [step for phase in phases for step in system.steps(node, phase)]
    return [
        *preconditions(system, node, phases),
        *fitness_conditions(system, node, phases, planned),
    ]


def ask_host(
    system: System, fleet: Fleet, node: Node, conditions: list[Precondition]
) -> HostAnswers:
    """Read one host in one session.

    Raises:
        RunbookError: the host cannot be reached, or its user may not use sudo.
    """
    floating = find_front(system.settings).moving_address
    asked = time.time()
    first, holds, port, network, *readings, last = fleet.link(node).read(
        [
            NOW_PROBE,
            holds_probe(floating) if floating else "false",
            app.port_probe(system.settings),
            network_probe(system.settings, node),
            *(condition.probe for condition in conditions),
            NOW_PROBE,
        ]
    )
    offset = find_offset(first.out, last.out, asked, time.time())
    return HostAnswers(
        fleet.link(node).address.user,
        conditions,
        readings,
        offset,
        parse_network(network.out),
        int(port.out) if port.out.strip().isdecimal() else None,
        holds.code == 0,
    )


def judge_host(
    settings: Settings, node: Node, answers: HostAnswers | RunbookError, findings: Findings
) -> None:
    """Rows for what a host alone shows."""
    if isinstance(answers, RunbookError):
        findings.add_errors(node.name, "login", [answers], "")
        return
    findings.add(node.name, "login", True, f"{answers.user} may use sudo")
    for condition, reading in zip(answers.conditions, answers.readings, strict=True):
        errors = list(condition.judge(reading))
        seen = "" if errors else condition.describe(reading)
        findings.add_errors(node.name, condition.name, errors, seen)
    clock = judge_clock(node.name, answers.offset)
    findings.add_errors(node.name, "clock", clock, describe_clock(answers.offset))
    if "edge" in node.roles and find_front(settings).moving_address:
        seen_addresses = next(
            addresses(reading.out)
            for condition, reading in zip(answers.conditions, answers.readings, strict=True)
            if condition.name == "address"
        )
        errors = judge_edge_network(settings, node, seen_addresses)
        findings.add_errors(node.name, "edge network", errors, "shared with the other edges")


def judge_site(answers: dict[str, HostAnswers], findings: Findings) -> None:
    """The row for what the hosts show together."""
    if len(answers) > 1:
        offsets = {name: host.offset for name, host in answers.items()}
        findings.add_errors("site", "clocks", judge_clocks(offsets), "less than 5 s apart")
