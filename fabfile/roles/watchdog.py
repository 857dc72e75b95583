"""The role of the watchdog on an edge: the modules of `watchdog/`, and a hardened unit.

keepalived moves the address away from an edge that does not answer. But requests in progress stay
on that edge and wait. The watchdog kills a daemon that hangs, within 0.3 s; requests that fail then
are retried. `watchdog/` documents how it decides.
"""

from __future__ import annotations

from pathlib import Path

from ..control.haproxy import EDGE_HEALTH, HAPROXY_PORT, HAPROXY_UNIT
from ..control.nginx import NGINX_UNIT
from ..engine.step import Step
from ..settings.paths import TOOLS
from ..settings.project import PROJECT
from ..settings.template import render_template
from ..steps.file import Directory, File
from ..steps.modules import NoOldModules
from ..steps.package import Packages
from ..steps.unit import Unit
from . import nginx
from .app import VERIFY
from .healer import with_heading

WATCHDOG_UNIT = "runbook-watchdog.service"

DAEMONS = (
    f"{HAPROXY_UNIT}={HAPROXY_PORT}{EDGE_HEALTH}",
    f"{NGINX_UNIT}={nginx.REFRESH}{nginx.ALIVE}",
)
"""The watched daemons: the unit, and the port and path on the loopback. The daemon itself must
answer there: an answer that depends on the app would blame the daemon for a fault of the app."""


def watchdog_steps() -> list[Step]:
    """The whole role. It comes after HAProxy and nginx, which it watches."""
    restart = (f"restart:{WATCHDOG_UNIT}",)
    folder = f"{TOOLS}/watchdog"
    unit = render_template("watchdog/watchdog.service", tools=TOOLS, daemons=DAEMONS)
    return [
        Packages(("python3-minimal",)),
        Directory(folder),
        *(
            File(f"{folder}/{path.name}", with_heading(path), notify=restart)
            for path in watchdog_sources()
        ),
        NoOldModules(folder, tuple(path.name for path in watchdog_sources())),
        File(f"/etc/systemd/system/{WATCHDOG_UNIT}", unit, validate=VERIFY, notify=restart),
        Unit(WATCHDOG_UNIT),
    ]


def watchdog_sources() -> list[Path]:
    """The watchdog's modules."""
    return sorted((PROJECT / "watchdog").glob("*.py"))
