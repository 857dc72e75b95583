"""Restart the app by hand, as a deploy would: drained, one node after the other. One that the
gate keeps out comes back through it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
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
    """Restart the app on the named nodes (all, without names); returns when each serves again.

    2 when that is done, and a node has something else that a person must see to, such as a healer
    that is off.

    Raises:
        RunbookError: locked, unreachable, the last node that serves, or the app did not come back.
    """
    out, balancer = open_console(), Balancer(settings)
    nodes = [node for node in settings.inventory.select(names, ("app",)) if "app" in node.roles]
    run = Run("app.restart", settings.state / "runs", reason)
    unit, problems = app_unit(settings), 0
    with (
        ScriptLog(run),
        open_fleet(settings, nodes) as fleet,
        Lock(list(fleet.links.values()), run),
    ):
        try:
            for node in nodes:
                interrupt.check()
                link = fleet.link(node)
                link.run(append_lines(run.entry("begin", f"unit {unit}", f"restart {unit}")))
                held = balancer.by_gate(node.name)
                with (
                    contextlib.nullcontext() if held else balancer.without(node, f"deploy {run.id}")
                ):
                    link.run(f"systemctl restart {unit}", timeout=150)
                passed = _pass_gate(settings, link, node, balancer, run) if held else ""
                link.run(
                    append_lines(run.entry("changed", f"unit {unit}", f"restarted {unit}{passed}"))
                )
                end = (
                    "still drained by an operator" if balancer.by_operator(node.name) else "serving"
                )
                out.print(f"{node.name:<8} restarted{passed}, {end}")
                problems += _report_problems(settings, node, link, out)
        finally:
            balancer.close()
    return DIFFERS if problems else OK


def _report_problems(settings: Settings, node: Node, link: Link, out: Console) -> int:
    """Say what `fab status` would say of the node; how many problems that is."""
    checks = health_checks(settings, node)
    answers = link.read([check.probe for check in checks])
    found = [
        one for check, answer in zip(checks, answers, strict=True) for one in check.judge(answer)
    ]
    for problem in found:
        show_problem(out, node.name, problem)
    return len(found)


def _pass_gate(settings: Settings, link: Link, node: Node, balancer: Balancer, run: Run) -> str:
    """A node that the gate keeps out comes back through the gate only; half a sentence that says
    so.

    Raises:
        GateFailed: it stays out.
    """
    running = releases.current_release(releases.releases_on(link, settings))
    system = system_of(settings, link, running)
    if system.facts is None:
        raise RunbookError(
            f"{link.name}: nobody knows what release {running} wants",
            "without its port it cannot be watched, and it stays out of service",
            "fab deploy, or fab rollback",
        )
    verdict = gate.watch_release(link, settings, system.facts.port, gate.gate_reads(settings))
    if verdict.failed:
        raise gate.GateFailed(link.name, running, str(verdict.failed), verdict)
    balancer.place(node, system.facts.port)
    balancer.undrain(node.name)
    facts = {"proven": now(), "run": run.id, "how": "passed the gate at a restart"}
    link.run(ReleaseProven(app_unit(settings), running).record_proof_script(facts))
    return f", passed the gate ({verdict})"
