"""The deploy: survey the hosts, then roll out what differs. Changes nothing if all is right."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from .. import certs
from ..console.json_file import write_json
from ..console.live_line import show_live_line
from ..console.next_step import match_errors, show_next_step
from ..console.rollup import HostReport, Report, open_console, show_report
from ..discovery import store as discovery_store
from ..engine import lock as locks
from ..engine.converge import State
from ..engine.errors import LOCKED, OK, UNREACHABLE, RunbookError, Unreachable
from ..engine.fleet import Fleet
from ..engine.journal import Run
from ..engine.script_log import ScriptLog
from ..settings.reach import open_fleet
from ..settings.settings import Settings
from . import binary
from .new_host import find_blocked_routes
from .options import DeployOptions
from .phases import roll_out
from .release_tables import refuse_unmigrated
from .session import RolloutSession
from .survey import Survey, survey_hosts
from .system import PHASES, System
from .verify import EntranceCheck, verify

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["DeployOptions", "carry_out", "deploy_hosts"]


def deploy_hosts(settings: Settings, names: Sequence[str], options: DeployOptions) -> int:
    """Deploy to the hosts called `names` (all, without names); returns the exit code.

    Raises:
        RunbookError: the deploy could not start (unknown host, wrong binary, locked, unreachable).
        Nothing was changed.
    """
    started = time.monotonic()
    nodes = settings.inventory.select(
        names, {role for phase in options.phases for role in PHASES[phase].roles}
    )
    with open_fleet(settings, nodes, readonly=options.dry) as fleet:
        tls = None
        if _touches_edges(fleet, options.phases):
            tls = certs.ready_material(settings, may_issue=not options.dry)
        system = System(
            settings,
            binary.fetch_binary(settings),
            discovery_store.known_facts(settings),
            tls,
            _untouched_ports(fleet, options, settings),
            # A plan shows what such a migration would do; only a deploy asks for the option.
            may_stop=options.dry or options.with_downtime,
        )
        if "app" in options.phases and fleet.having("app") and not fleet.having("postgres"):
            refuse_unmigrated(system)
        return carry_out(fleet, system, options, started)


def carry_out(fleet: Fleet, system: System, options: DeployOptions, started: float) -> int:
    """Roll out `system` to `fleet`, if anything differs, and print the report.

    Args:
        fleet: the hosts.
        system: what they must become.
        options: how the deploy was typed.
        started: when the task started, in seconds of time.monotonic().

    Returns:
        The exit code.

    Raises:
        RunbookError: the deploy could not start. Nothing was changed.
    """
    out, settings = open_console(options.json), system.settings
    if not options.dry:
        _refuse_unknown(system, fleet, options.phases)
    entrance = None if options.dry else EntranceCheck(settings, fleet.nodes)
    survey = survey_hosts(fleet, system, options.phases, partial(out.print, markup=False))
    lost_monitors = [] if options.dry else _leave_out_monitors(fleet, survey)
    hosts = survey.hosts
    report = Report("plan" if options.dry else options.task, hosts, 0, 0, commands=options.commands)
    may_start = not options.dry and not _has_failed_host(hosts)
    if not options.dry and survey.new_hosts and not any(host.error for host in hosts):
        with show_live_line(out, "new hosts: does the network let through what they need? …"):
            blocked = find_blocked_routes(system, fleet, survey.new_hosts)
            survey.add_problems("network", blocked)
        may_start = not _has_failed_host(hosts)
    if may_start and (_has_changes(hosts) or _has_orphaned_lock(survey.locks)):
        if not options.take_over:
            _refuse_locked(survey.locks)
        run = Run(options.task, settings.state / "runs", options.reason)
        run.note("plan.json", report.as_json())
        with ScriptLog(run):
            report.hosts = roll_out(RolloutSession(system, fleet, run, options, out))
            _verify(system, fleet, report, out)
        run.note("report.json", report.as_json())
    elif entrance and may_start and entrance.has_doubts(survey.serving):
        _verify(system, fleet, report, out)
    was_rolled_out = report.hosts is not hosts
    report.hosts = [*report.hosts, *lost_monitors]
    report.seconds = time.monotonic() - started
    report.sessions += fleet.sessions
    show_report(out, report, steps_shown=was_rolled_out)
    show_next_step(out, _find_incident(settings, report))
    write_json(report.as_json(), options.json)
    return report.exit_code


def _find_incident(settings: Settings, report: Report) -> str:
    """The incident that fits the errors of a report; empty without errors."""
    roles = {node.name: node.roles for node in settings.inventory.nodes}
    failed = [(roles.get(host.host, ()), error) for host in report.hosts for error in host.errors]
    return match_errors(failed, report.at_end)


def _leave_out_monitors(fleet: Fleet, seen: Survey) -> list[HostReport]:
    """The reports of unreachable hosts that do nothing but watch: the deploy goes on without them,
    and says so at its end. Without any other host there is nothing to go on with."""
    alone = {node.name for node in fleet if node.roles == ("monitoring",)}
    lost = [
        host for host in seen.hosts if host.host in alone and isinstance(host.error, Unreachable)
    ]
    if len(lost) == len(seen.hosts):
        return []
    fleet.leave_out([host.host for host in lost])
    seen.hosts = [host for host in seen.hosts if host not in lost]
    return lost


def _verify(system: System, fleet: Fleet, report: Report, out: Console) -> None:
    """Add to `report` what is wrong with the service now.

    Does nothing if the rollout lost its lock or a host: the report has that error already.
    """
    if report.exit_code in (LOCKED, UNREACHABLE):
        return
    with show_live_line(out, "does it serve? …"):
        report.at_end, report.sessions = verify(
            system.settings, fleet.nodes, failed=report.exit_code != OK
        )


def _refuse_unknown(system: System, fleet: Fleet, phases: Sequence[str]) -> None:
    """Refuse a deploy that needs discovery and cannot run it.

    The edge and the seeding need what discovery finds, and discovery runs on an app node.
    """
    needed = [
        phase for phase in ("edge", "seed") if phase in phases and fleet.having(PHASES[phase].role)
    ]
    if system.facts is None and needed and not ("app" in phases and fleet.having("app")):
        raise RunbookError(
            "the binary was not discovered yet",
            f"phase {needed[0]} needs its port and commands, and no app node is part of this"
            " deploy",
            "fab deploy   (or: fab app.discover, then again)",
        )


def _has_changes(hosts: Sequence[HostReport]) -> bool:
    return any(outcome.state is State.WOULD for host in hosts for outcome in host.outcomes)


def _has_failed_host(hosts: Sequence[HostReport]) -> bool:
    """Whether a host is unreachable or needs a manual fix. The rollout then changes no host."""
    return any(host.first_error for host in hosts)


def _has_orphaned_lock(lock_texts: dict[str, str]) -> bool:
    """Whether a killed run of this machine has left its lock. Taking and releasing the lock clears
    it for everybody."""
    holders = [locks.parse_holder(text) for text in lock_texts.values()]
    return any(holder and holder.died_here() for holder in holders)


def _refuse_locked(lock_texts: dict[str, str]) -> None:
    for host, text in lock_texts.items():
        holder = locks.parse_holder(text)
        if holder and not holder.died_here():
            raise locks.locked_error(host, holder)


def _untouched_ports(fleet: Fleet, options: DeployOptions, settings: Settings) -> dict[str, int]:
    """The app's port on the app nodes that this deploy does not touch; the edges need them."""
    if not _touches_edges(fleet, options.phases):
        return {}
    touched = fleet.having("app") if "app" in options.phases else ()
    untouched = [node for node in settings.inventory.having("app") if node not in touched]
    return discovery_store.read_app_ports(settings, untouched)


def _touches_edges(fleet: Fleet, phases: Sequence[str]) -> bool:
    return "edge" in phases and bool(fleet.having(PHASES["edge"].role))
