"""A transient timer by which a host undoes a fault itself when the drill cannot."""

from __future__ import annotations

from ...engine.link import Link
from ...engine.shell import q

UNDO = "runbook-drill-undo"
"""The timer's name for the fault of one drill …"""
NET = "runbook-drill-net"
"""… and for what is changed while drills run."""


def arm_timer(link: Link, undo: str, seconds: float, name: str = UNDO) -> None:
    """Have the host run `undo` after `seconds`, unless `disarm_timer` comes first. An undo that an
    earlier drill left pending runs now."""
    pending = f"! systemctl is-active -q {name}.timer || systemctl start {name}.service || true\n"
    link.run(pending + _disarm_script(name) + _arm_script(undo, seconds, name), timeout=150)


def rearm_timer(link: Link, undo: str, seconds: float, name: str = UNDO) -> None:
    """Restart the timer from now, with this `undo`."""
    link.run(_disarm_script(name) + _arm_script(undo, seconds, name))


def disarm_timer(link: Link, name: str = UNDO) -> None:
    """Cancel the timer."""
    link.run(_disarm_script(name) + "true\n")


def _arm_script(undo: str, seconds: float, name: str) -> str:
    timer = f"--unit={name} --on-active={seconds:.0f} --timer-property=AccuracySec=1s"
    return f"systemd-run -q {timer} -p Type=oneshot /bin/bash -c {q(undo)}\n"


def _disarm_script(name: str) -> str:
    return (
        f"systemctl stop {name}.timer 2>/dev/null; systemctl reset-failed {name}.service"
        " 2>/dev/null\n"
    )
