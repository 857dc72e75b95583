"""The watchdog on each edge: `watchdog/` of this project as files, and a hardened unit.

keepalived moves the address away from an edge that does not answer, but requests under way stay
behind, and wait. The watchdog ends what hangs within 0.3 s; requests that fail then are retried.
`watchdog/` documents what it does.
"""

from __future__ import annotations

from pathlib import Path

from ..control.haproxy import EDGE_HEALTH, HAPROXY_PORT, HAPROXY_UNIT
from ..control.nginx import NGINX_UNIT
from ..engine.step import Step
from ..settings.paths import OURS, TOOLS
from ..settings.project import PROJECT
from ..settings.template import render_template
from ..steps.file import Directory, File
from ..steps.modules import NoOldModules
from ..steps.package import Packages
from ..steps.unit import Unit
from . import nginx
from .app import VERIFY

UNIT = "runbook-watchdog.service"

DAEMONS = (
    f"{HAPROXY_UNIT}={HAPROXY_PORT}{EDGE_HEALTH}",
    f"{NGINX_UNIT}={nginx.REFRESH}{nginx.ALIVE}",
)
"""What is watched: the unit, and the port and path on the loopback where it answers by itself."""


def steps() -> list[Step]:
    """The whole role; it comes after both daemons."""
    restart = (f"restart:{UNIT}",)
    folder = f"{TOOLS}/watchdog"
    unit = render_template("watchdog/watchdog.service", tools=TOOLS, daemons=DAEMONS)
    return [
        Packages(("python3-minimal",)),
        Directory(folder),
        *(File(f"{folder}/{path.name}", _source(path), notify=restart) for path in sources()),
        NoOldModules(folder, tuple(path.name for path in sources())),
        File(f"/etc/systemd/system/{UNIT}", unit, validate=VERIFY, notify=restart),
        Unit(UNIT),
    ]


def sources() -> list[Path]:
    """The watchdog's modules."""
    return sorted((PROJECT / "watchdog").glob("*.py"))


def _source(path: Path) -> str:
    return f"# {OURS}.\n{path.read_text(encoding='utf-8')}"
