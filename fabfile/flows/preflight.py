"""`fab preflight`: whether hosts and network can take a deploy. Changes nothing.

It reads each host in one ssh session. Where nothing listens yet, it opens ports for some seconds to
try the connections between the hosts.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from ..console.json_file import write_json
from ..console.rollup import open_console
from ..control.clocks import NOW_PROBE, ClockOffset
from ..control.keepalived import holds_probe
from ..discovery import store as discovery_store
from ..engine.errors import FAILED, OK, UNREACHABLE, RunbookError, Unreachable
from ..engine.fleet import Fleet
from ..engine.host import Node
from ..engine.shell import Reading
from ..health.network import OPEN, NetworkView, network_probe, parse_network
from ..roles import app
from ..roles.ports import Route
from ..rollout import binary
from ..rollout.between_hosts import (
    describe_clock,
    find_offset,
    judge_clock,
    judge_clocks,
    judge_edge_network,
)
from ..rollout.condition import Precondition
from ..rollout.new_host import app_ports, fitness_conditions
from ..rollout.preflight import addresses, preconditions
from ..rollout.system import PHASES, System
from ..rollout.trial import Trial, explain_unknown, find_attempt, needed_routes, try_routes
from ..rollout.trial_verdict import describe_route, judge_trial, named_edges
from ..settings.reach import open_fleet
from ..settings.settings import Settings
from .preflight_table import Findings, show_preflight, total_line


@dataclass
class HostAnswers:
    """What one host answered: a reading for each condition, and what is judged across hosts."""

    conditions: list[Precondition]
    readings: list[Reading]
    offset: ClockOffset | None
    view: NetworkView
    app_port: int | None
    is_holder: bool


def check_hosts(settings: Settings, names: Sequence[str], json: str | None) -> int:
    """Judge the hosts called `names` (all, without names), print a table; returns the exit code."""
    started, out, findings = time.monotonic(), open_console(json), Findings()
    nodes = settings.inventory.select(names)
    system = _read_system(settings, findings)
    conditions = {node.name: _list_conditions(system, node) for node in nodes}
    with open_fleet(settings, nodes) as fleet:
        with out.status("reading the hosts …"):
            results = fleet.each(
                lambda node: _read_host(system, fleet, node, conditions[node.name])
            )
        answers = {
            name: result for name, result in results.items() if isinstance(result, HostAnswers)
        }
        with out.status("trying the connections between the hosts …"):
            trial = _try_network(system, fleet, answers)
    for node in nodes:
        _judge_host(settings, node, results[node.name], findings)
    _judge_site(answers, findings)
    _judge_network(system, trial, answers, findings)
    seconds, code = time.monotonic() - started, _exit_code([*results.values()], findings)
    last_line = total_line(len(nodes), findings.rows, seconds, fleet.sessions)
    show_preflight(out, findings.rows, findings.errors, last_line, [node.name for node in nodes])
    rows = [row.as_json() for row in findings.rows]
    report = {"task": "preflight", "exit": code, "seconds": round(seconds, 3), "rows": rows}
    write_json({**report, "sessions": fleet.sessions}, json)
    return code


def _exit_code(results: Sequence[object], findings: Findings) -> int:
    if any(isinstance(result, Unreachable) for result in results):
        return UNREACHABLE
    return FAILED if any(row.held is False for row in findings.rows) else OK


def _read_system(settings: Settings, findings: Findings) -> System:
    """What would be deployed. A binary that this machine cannot offer is a row of its own."""
    facts = discovery_store.local_facts(settings)
    try:
        source = binary.fetch_binary(settings)
        findings.add("controller", "binary", True, settings.app.sha256[:12])
    except RunbookError as error:
        source = settings.path.parent / "missing"
        findings.add_errors("controller", "binary", [error], "")
    return System(settings, source, facts)


def _list_conditions(system: System, node: Node) -> list[Precondition]:
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


def _read_host(
    system: System, fleet: Fleet, node: Node, conditions: list[Precondition]
) -> HostAnswers:
    """Read one host in one session.

    Raises:
        RunbookError: the host cannot be reached, or its user may not use sudo.
    """
    floating = system.settings.edge.address
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
        conditions,
        readings,
        offset,
        parse_network(network.out),
        int(port.out) if port.out.strip().isdecimal() else None,
        holds.code == 0,
    )


def _judge_host(
    settings: Settings, node: Node, answers: HostAnswers | RunbookError, findings: Findings
) -> None:
    """Rows for what a host alone shows."""
    if isinstance(answers, RunbookError):
        findings.add_errors(node.name, "login", [answers], "")
        return
    findings.add(node.name, "login", True, f"{settings.ssh.user} may use sudo")
    for condition, reading in zip(answers.conditions, answers.readings, strict=True):
        errors = list(condition.judge(reading))
        seen = "" if errors else condition.describe(reading)
        findings.add_errors(node.name, condition.name, errors, seen)
    clock = judge_clock(node.name, answers.offset)
    findings.add_errors(node.name, "clock", clock, describe_clock(answers.offset))
    if "edge" in node.roles and settings.edge.address:
        seen_addresses = next(
            addresses(reading.out)
            for condition, reading in zip(answers.conditions, answers.readings, strict=True)
            if condition.name == "address"
        )
        errors = judge_edge_network(settings, node, seen_addresses)
        findings.add_errors(node.name, "edge network", errors, "shared with the other edges")


def _judge_site(answers: dict[str, HostAnswers], findings: Findings) -> None:
    """The row for what the hosts show together."""
    if len(answers) > 1:
        offsets = {name: host.offset for name, host in answers.items()}
        findings.add_errors("site", "clocks", judge_clocks(offsets), "less than 5 s apart")


# -- the network


def _try_network(system: System, fleet: Fleet, answers: dict[str, HostAnswers]) -> Trial:
    """Every connection that the hosts need. If all are open already, the first session of each host
    has shown it."""
    settings = system.settings
    reached = [node for node in fleet if node.name in answers]
    routes = needed_routes(settings, reached, _known_ports(system, answers))
    views = {name: host.view for name, host in answers.items()}
    holders = [name for name, host in answers.items() if host.is_holder]
    edges = [node for node in reached if "edge" in node.roles]
    # Exactly one holder of several edges: they hear each other's adverts.
    vrrp = bool(settings.edge.address) and len(edges) > 1 and len(holders) != 1
    open_already = all(
        find_attempt(views[source], route) == OPEN
        for source, some in routes.items()
        for route in some
        if route.number
    )
    if open_already and not vrrp:
        return Trial(views, explain_unknown(routes, views, fleet))
    fleet.leave_out([node.name for node in fleet if node.name not in answers])
    return try_routes(settings, fleet, routes, vrrp=vrrp)


def _known_ports(system: System, answers: dict[str, HostAnswers]) -> dict[str, int]:
    """The app's port on each node: as its unit there says, else as discovery found it."""
    shown = {name: host.app_port for name, host in answers.items() if host.app_port}
    return {**app_ports(system), **shown}


def _judge_network(
    system: System,
    trial: Trial,
    answers: dict[str, HostAnswers],
    findings: Findings,
) -> None:
    """A row for each route, and one for each pair of edges."""
    settings = system.settings
    reached = [node for node in settings.inventory.nodes if node.name in answers]
    errors = [error for _, error in judge_trial(settings, trial)]
    for source, some in needed_routes(settings, reached, _known_ports(system, answers)).items():
        for route in some:
            held, seen = describe_route(trial, source, route)
            port = route.number or "?"
            check = f"to {route.target}:{port}"
            blocked = next((error for error in errors if _is_about(error, source, route)), None)
            findings.add(source, check, held, f"{route.what}: {seen}", blocked)
    for edge, heard in trial.heard.items():
        for other, was_heard in named_edges(settings, heard).items():
            findings.add(edge, f"vrrp from {other}", was_heard, "heard" if was_heard else "silent")
    if settings.edge.address and not trial.heard:
        holders = [name for name, host in answers.items() if host.is_holder]
        if len(holders) == 1:
            seen = f"{holders[0]} alone holds {settings.edge.address}"
            findings.add("site", "vrrp", True, seen)
    findings.errors += errors  # those of VRRP; the table shows each error once


def _is_about(error: RunbookError, source: str, route: Route) -> bool:
    """Whether `error` is about this route: it may name several hosts that need it."""
    sources, _, target = error.problem.partition(" cannot reach ")
    named = target.startswith(f"{route.target} port {route.number} ")
    return named and source in sources.split(" and ")
