"""Restart the app by hand, as a deploy would: drained, one node after the other."""

from __future__ import annotations

from collections.abc import Sequence

from ..engine import interrupt
from ..engine.errors import OK
from ..engine.fleet import Fleet
from ..engine.journal import Run, append
from ..engine.lock import Lock
from ..engine.report import console
from ..roles import app
from ..settings import Settings
from .balancer import Balancer


def restart(settings: Settings, names: Sequence[str], *, reason: str) -> int:
    """Restart the app on the named nodes (all, without names); returns when each serves again.

    Raises:
        RunbookError: locked, unreachable, the last node that serves, or the app did not come back.
    """
    out, balancer = console(), Balancer(settings)
    nodes = [node for node in settings.inventory.select(names, ("app",)) if "app" in node.roles]
    run = Run("app.restart", settings.state / "runs", reason)
    unit = app.unit(settings)
    with Fleet(settings, nodes) as fleet, Lock(list(fleet.links.values()), run):
        try:
            for node in nodes:
                interrupt.check()
                link = fleet.link(node)
                link.run(append(run.entry("begin", f"unit {unit}", f"restart {unit}")))
                with balancer.without(node, f"deploy {run.id}"):
                    link.run(f"systemctl restart {unit}", timeout=150)
                link.run(append(run.entry("changed", f"unit {unit}", f"restarted {unit}")))
                out.print(f"{node.name:<8} restarted, serving")
        finally:
            balancer.close()
    return OK
