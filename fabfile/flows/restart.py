"""`fab app.restart`: restart the app, drained, one node after the other."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..console.rollup import open_console, show_problem
from ..control import releases
from ..control.balancer import Balancer
from ..engine import interrupt
from ..engine.errors import DIFFERS, OK, RunbookError
from ..engine.host import Node
from ..engine.journal import Run, append_lines, now
from ..engine.link import Link
from ..engine.lock import Lock
from ..engine.script_log import ScriptLog
from ..health.checks import health_checks
from ..rollout import gate
from ..rollout.auto_rollback import system_of
from ..settings.paths import app_unit
from ..settings.reach import open_fleet
from ..settings.settings import Settings
from ..steps.gate import ReleaseProven

if TYPE_CHECKING:
    from rich.console import Console


def restart_apps(settings: Settings, names: Sequence[str], *, reason: str) -> int:
    """Restart the app on the named nodes (all, without names), and wait until each serves again.

    A node that the gate keeps out of service must pass the gate to come back.

    Returns:
        The exit code: 2 if a restarted node has another problem, such as a healer that is off.

    Raises:
        RunbookError: locked, unreachable, the last node that serves, or the app did not come back.
    """
    out, balancer = open_console(), Balancer(settings)
    problem_count = 0
    nodes = [node for node in settings.inventory.select(names, ("app",)) if "app" in node.roles]
    run = Run("app.restart", settings.state / "runs", reason)
    with (
        ScriptLog(run),
        open_fleet(settings, nodes) as fleet,
        Lock(list(fleet.links.values()), run),
    ):
        try:
            for node in nodes:
                interrupt.check()
                link = fleet.link(node)
                with _record_failure(settings, link, run):
                    result = _restart_node(settings, link, node, balancer, run)
                out.print(f"{node.name:<8} {result}")
                problem_count += _report_problems(settings, node, link, out)
        finally:
            balancer.close()
    return DIFFERS if problem_count else OK


@contextlib.contextmanager
def _record_failure(settings: Settings, link: Link, run: Run) -> Iterator[None]:
    """Write a failure into the host's journal: else the history would call it not finished."""
    try:
        yield
    except RunbookError as error:
        with contextlib.suppress(RunbookError):  # the first error says more
            entry = run.entry("failed", f"unit {app_unit(settings)}", error.problem)
            link.run(append_lines(entry))
        raise


def _restart_node(settings: Settings, link: Link, node: Node, balancer: Balancer, run: Run) -> str:
    """Restart one node; returns what happened, in words."""
    unit = app_unit(settings)
    link.run(append_lines(run.entry("begin", f"unit {unit}", f"restart {unit}")))
    kept_out = balancer.gate_drain_reason(node.name)
    # A node that the gate keeps out is drained already, and only the gate may put it back.
    drained = (
        contextlib.nullcontext() if kept_out else balancer.out_of_service(node, f"deploy {run.id}")
    )
    with drained:
        link.run(f"systemctl restart {unit}", timeout=150)
    passed = _pass_gate(settings, link, node, balancer, run) if kept_out else ""
    link.run(append_lines(run.entry("changed", f"unit {unit}", f"restarted {unit}{passed}")))
    if balancer.is_drained_by_operator(node.name):
        return f"restarted{passed}, still drained by an operator"
    return f"restarted{passed}, serving"


def _report_problems(settings: Settings, node: Node, link: Link, out: Console) -> int:
    """Print the problems that `fab status` would show of the node; returns how many."""
    checks = health_checks(settings, node)
    readings = link.read([check.probe for check in checks])
    count = 0
    for check, reading in zip(checks, readings, strict=True):
        for problem in check.judge(reading):
            show_problem(out, node.name, problem)
            count += 1
    return count


def _pass_gate(settings: Settings, link: Link, node: Node, balancer: Balancer, run: Run) -> str:
    """Watch the release at the gate and put the node back; returns the result, as a clause.

    Raises:
        GateFailed: the release failed; the node stays out of service.
    """
    running = releases.current_release(releases.read_releases(link, settings))
    system = system_of(settings, link, running)
    if system.facts is None:
        raise RunbookError(
            f"{link.name}: release {running} was never discovered",
            "the gate cannot watch it without its port, so the node stays out of service",
            "fab deploy, or fab rollback",
        )
    verdict = gate.watch_release(link, settings, system.facts.port, gate.gate_reads(settings))
    if verdict.failed:
        raise gate.GateFailed(link.name, running, str(verdict.failed), verdict)
    balancer.set_address(node, system.facts.port)
    balancer.undrain(node.name)
    facts = {"proven": now(), "run": run.id, "how": "passed the gate at a restart"}
    link.run(ReleaseProven(app_unit(settings), running).record_proof_script(facts))
    return f", passed the gate ({verdict})"
