"""`fab preflight`: whether hosts and network can take a deploy. Changes nothing.

It reads each host in one ssh session. Where nothing listens yet, it opens ports for some seconds to
try the connections between the hosts.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from ..console.json_file import write_json
from ..console.live_line import show_live_line
from ..console.rollup import open_console
from ..control.site_front import find_front
from ..discovery import store as discovery_store
from ..engine.errors import FAILED, OK, UNREACHABLE, RunbookError, Unreachable
from ..engine.fleet import Fleet
from ..health.network import OPEN
from ..roles.ports import Route
from ..rollout import binary
from ..rollout.new_host import app_ports
from ..rollout.system import System
from ..rollout.trial import Trial, explain_unknown, find_attempt, needed_routes, try_routes
from ..rollout.trial_verdict import (
    describe_route,
    explain_blocked,
    find_blocked,
    judge_trial,
    named_edges,
)
from ..settings.reach import open_fleet
from ..settings.settings import Settings
from .preflight_hosts import (
    HostAnswers,
    ask_host,
    judge_host,
    judge_site,
    list_conditions,
)
from .preflight_table import Findings, show_preflight, total_line


def check_hosts(settings: Settings, names: Sequence[str], json: str | None) -> int:
    """Judge the hosts called `names` (all, without names), print a table; returns the exit code."""
    started, out, findings = time.monotonic(), open_console(json), Findings()
    nodes = settings.inventory.select(names)
    system = _read_system(settings, findings)
    conditions = {node.name: list_conditions(system, node) for node in nodes}
    with open_fleet(settings, nodes) as fleet:
        with show_live_line(out, "reading the hosts …"):
            results = fleet.each(lambda node: ask_host(system, fleet, node, conditions[node.name]))
        answers = {
            name: result for name, result in results.items() if isinstance(result, HostAnswers)
        }
        with show_live_line(out, "trying the connections between the hosts …"):
            routes = needed_routes(
                settings,
                [node for node in nodes if node.name in answers],
                _known_ports(system, answers),
            )
            trial = _try_network(settings, fleet, answers, routes)
    for node in nodes:
        judge_host(settings, node, results[node.name], findings)
    judge_site(answers, findings)
    _judge_network(settings, trial, routes, answers, findings)
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


def _try_network(
    settings: Settings,
    fleet: Fleet,
    answers: dict[str, HostAnswers],
    routes: Mapping[str, Sequence[Route]],
) -> Trial:
    """Every connection that the hosts need. If all are open already, the first session of each host
    has shown it."""
    views = {name: host.view for name, host in answers.items()}
    holders = [name for name, host in answers.items() if host.is_holder]
    edges = [node for node in fleet.having("edge") if node.name in answers]
    # Exactly one holder of several edges: they hear each other's adverts.
    floating = find_front(settings).moving_address
    vrrp = bool(floating) and len(edges) > 1 and len(holders) != 1
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
    settings: Settings,
    trial: Trial,
    routes: Mapping[str, Sequence[Route]],
    answers: dict[str, HostAnswers],
    findings: Findings,
) -> None:
    """A row for each route, and one for each pair of edges."""
    blocked = find_blocked(settings, trial)
    for source, some in routes.items():
        for route in some:
            held, seen = describe_route(trial, source, route)
            port = route.number or "?"
            check = f"to {route.target}:{port}"
            error = next(
                (
                    explain_blocked(connection)
                    for connection in blocked
                    if source in connection.sources
                    and connection.attempt.target == route.target
                    and connection.attempt.number == route.number
                ),
                None,
            )
            findings.add(source, check, held, f"{route.what}: {seen}", error)
    for edge, heard in trial.heard.items():
        for other, was_heard in named_edges(settings, heard).items():
            findings.add(edge, f"vrrp from {other}", was_heard, "heard" if was_heard else "silent")
    floating = find_front(settings).moving_address
    if floating and not trial.heard:
        holders = [name for name, host in answers.items() if host.is_holder]
        if len(holders) == 1:
            seen = f"{holders[0]} alone holds {floating}"
            findings.add("site", "vrrp", True, seen)
    # Those of VRRP, too; the table shows each error once.
    findings.errors += [error for _, error in judge_trial(settings, trial)]
