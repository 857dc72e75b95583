"""The deploy: plan, lock, then phase by phase, one app node at a time; nothing at all when
everything is right."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .. import certs
from ..console.json_file import write_json
from ..console.rollup import HostReport, Report, open_console, show_report
from ..control.keepalived import holds_probe
from ..discovery import store as knowledge
from ..engine import lock as locks
from ..engine.converge import Outcome, State, predict_outcomes
from ..engine.errors import LOCKED, OK, UNREACHABLE, RunbookError
from ..engine.fleet import Fleet
from ..engine.host import Node
from ..engine.journal import Run
from ..engine.script_log import ScriptLog
from ..settings.reach import open_fleet
from ..settings.settings import Settings
from . import binary, preflight
from .options import DeployOptions
from .phases import roll_out
from .session import RolloutSession
from .system import PHASES, System
from .verify import Outside, verify

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["DeployOptions", "carry_out", "deploy_hosts", "survey_hosts"]


def deploy_hosts(settings: Settings, names: Sequence[str], options: DeployOptions) -> int:
    """Make the hosts called `names` (all, without names) right; the exit code.

    Raises:
        RunbookError: it could not begin (unknown host, wrong binary, locked, unreachable); nothing
        was changed then.
    """
    started = time.monotonic()
    nodes = settings.inventory.select(
        names, {role for phase in options.phases for role in PHASES[phase].roles}
    )
    with open_fleet(settings, nodes, readonly=options.dry) as fleet:
        tls = (
            certs.ready_material(settings, may_issue=not options.dry)
            if _touches_edges(fleet, options.phases)
            else None
        )
        system = System(
            settings,
            binary.fetch_binary(settings),
            knowledge.known_facts(settings),
            tls,
            _left_alone(fleet, options, settings),
        )
        return carry_out(fleet, system, options, started)


def carry_out(fleet: Fleet, system: System, options: DeployOptions, started: float) -> int:
    """Make `fleet` what `system` says, if anything on it differs; print how it went (`started`:
    since when); the exit code.

    Raises:
        RunbookError: it could not begin; nothing was changed then.
    """
    out, settings = open_console(options.json), system.settings
    if not options.dry:
        _refuse_unknown(system, fleet, options.phases)
    users = None if options.dry else Outside(settings, fleet.nodes)
    seen = survey_hosts(fleet, system, options.phases)
    hosts = seen.hosts
    report = Report("plan" if options.dry else options.task, hosts, 0, 0, commands=options.commands)
    if (
        not options.dry
        and (_to_do(hosts) or _has_orphaned_lock(seen.locks))
        and not _has_lost_host(hosts)
    ):
        if not options.take_over:
            _refuse_locked(seen.locks)
        run = Run(options.task, settings.state / "runs", options.reason)
        run.note(
            "plan.json", report.as_json()
        )  # before any lock: a full disk here must not stop us half-way
        with ScriptLog(run):
            report.hosts = roll_out(RolloutSession(system, fleet, run, options, out))
            _verify(system, fleet, report, out)
        run.note("report.json", report.as_json())
    elif users and not _has_lost_host(hosts) and users.doubtful(seen.holders):
        _verify(system, fleet, report, out)
    said = not options.dry and report.hosts is not hosts
    report.seconds, report.sessions = time.monotonic() - started, report.sessions + fleet.sessions
    show_report(out, report, said=said)
    write_json(report.as_json(), options.json)
    return report.exit_code


@dataclass
class Survey:
    """What a deploy finds: each host's plan, the lock files, and the edges that hold the
    floating address."""

    hosts: list[HostReport] = field(default_factory=list)
    locks: dict[str, str] = field(default_factory=dict)
    holders: list[str] = field(default_factory=list)


def survey_hosts(fleet: Fleet, system: System, phases: Sequence[str]) -> Survey:
    """What stands in a deploy's way and what it would do, from one session per host."""
    floating = system.settings.edge.address

    def look(node: Node) -> tuple[list[Outcome], str, bool]:
        steps = [step for phase in phases for step in system.steps(node, phase)]
        before = preflight.preconditions(system, node, phases)
        holding = holds_probe(floating) if floating else "false"
        lock, holds, *readings = fleet.link(node).read(
            [
                locks.PROBE,
                holding,
                *(asked.probe for asked in before),
                *(step.probe() for step in steps),
            ]
        )
        unmet = preflight.unmet(before, readings[: len(before)])
        return (
            [*unmet, *predict_outcomes(steps, readings[len(before) :])],
            lock.out,
            holds.code == 0,
        )

    found = Survey()
    for name, result in fleet.each(look).items():
        if isinstance(result, RunbookError):
            found.hosts.append(HostReport(name, error=result))
            continue
        outcomes, found.locks[name], holds = result
        found.hosts.append(HostReport(name, outcomes))
        found.holders += [name] if holds else []
    return found


def _verify(system: System, fleet: Fleet, report: Report, out: Console) -> None:
    """Add to `report` what is wrong with the service now; nothing when a rollout lost its lock
    or a host."""
    if report.exit_code in (LOCKED, UNREACHABLE):
        return
    with out.status("does it serve? …"):
        report.at_end, report.sessions = verify(
            system.settings, fleet.nodes, failed=report.exit_code != OK
        )


def _refuse_unknown(system: System, fleet: Fleet, phases: Sequence[str]) -> None:
    """Edge and seeding need what discovery finds; it runs on an app node, so without one in this
    deploy it cannot."""
    needed = [
        phase for phase in ("edge", "seed") if phase in phases and fleet.having(PHASES[phase].role)
    ]
    if system.facts is None and needed and not ("app" in phases and fleet.having("app")):
        raise RunbookError(
            "nobody has discovered yet what the binary wants",
            f"phase {needed[0]} needs its port and commands, and no app node is part of this"
            " deploy",
            "fab deploy   (or: fab app.discover, then again)",
        )


def _to_do(hosts: Sequence[HostReport]) -> bool:
    return any(outcome.state is State.WOULD for host in hosts for outcome in host.outcomes)


def _has_lost_host(hosts: Sequence[HostReport]) -> bool:
    """A host is unreachable, or a step needs a manual fix: then the rollout changes no
    host."""
    return any(host.first_error for host in hosts)


def _has_orphaned_lock(lock_seen: dict[str, str]) -> bool:
    """A killed run of this controller has left its lock; taking and releasing it clears it for
    everybody."""
    return any(
        holder and holder.died_here() for holder in map(locks.parse_holder, lock_seen.values())
    )


def _refuse_locked(lock_seen: dict[str, str]) -> None:
    for host, text in lock_seen.items():
        holder = locks.parse_holder(text)
        if holder and not holder.died_here():
            raise locks.locked_error(host, holder)


def _left_alone(fleet: Fleet, options: DeployOptions, settings: Settings) -> dict[str, int]:
    """Where the app serves on the app nodes that this deploy does not touch, for the edges that
    it does."""
    if not _touches_edges(fleet, options.phases):
        return {}
    touched = fleet.having("app") if "app" in options.phases else ()
    return knowledge.ports(
        settings, [node for node in settings.inventory.having("app") if node not in touched]
    )


def _touches_edges(fleet: Fleet, phases: Sequence[str]) -> bool:
    return "edge" in phases and bool(fleet.having(PHASES["edge"].role))
