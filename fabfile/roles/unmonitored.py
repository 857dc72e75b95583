"""What goes when a host is no longer watched, or watches no longer: exporters, their firewall
rules, the monitoring servers, and the exporter's role in PostgreSQL.

The figures that Prometheus has kept stay on the disk.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..control.silences import ALERTMANAGER_UNIT
from ..engine.host import Node
from ..engine.shell import PREVIOUS
from ..engine.step import Step
from ..settings.paths import TOOLS
from ..settings.settings import Settings
from ..settings.template import render_template
from ..steps.leftover_units import LeftoverUnit, NoLeftoverUnits
from ..steps.sql import SqlFile
from . import exporters, figures, monitoring_units

UNITS = "/etc/systemd/system"

SERVERS = {
    monitoring_units.PROMETHEUS_UNIT: "prometheus",
    ALERTMANAGER_UNIT: "prometheus-alertmanager",
    monitoring_units.BLACKBOX_UNIT: "prometheus-blackbox-exporter",
}
"""The servers of a monitoring host, and their packages."""


def unmonitored_steps(settings: Settings, node: Node) -> list[Step]:
    """Remove whatever of the monitoring `node` does not need by the site file."""
    needed = exporters.exporter_units(settings, node)
    needed += list(SERVERS) if "monitoring" in node.roles else []
    units = tuple(one for one in _monitoring_units() if one.unit not in needed)
    steps: list[Step] = [NoLeftoverUnits("monitoring", units)]
    if "postgres" in node.roles and not settings.monitors:
        steps.append(SqlFile("045_unmonitored", render_template("045_unmonitored.sql")))
    return steps


def _monitoring_units() -> Iterator[LeftoverUnit]:
    """Every unit of the monitoring. The firewall rules go last: they protect the exporters."""
    folder = monitoring_units.FOLDER
    for unit, package in SERVERS.items():
        # The receivers' secrets are among these files, and among those kept of an earlier deploy.
        yield LeftoverUnit(unit, _drop_in(unit), (folder, f"{PREVIOUS}{folder}"), package)
    programs = figures.MTAIL_PROGRAM.rpartition("/")[0]
    for one in (exporters.NODE, exporters.POSTGRES, exporters.EDGE):
        files = (programs,) if one is exporters.EDGE else ()
        yield LeftoverUnit(one.unit, _drop_in(one.unit), files, one.package)
    yield LeftoverUnit(figures.MTAIL_SOCKET, f"{UNITS}/{figures.MTAIL_SOCKET}")
    timer = figures.FIGURES_TIMER
    service = f"{UNITS}/{timer.replace('.timer', '.service')}"
    reported = (service, f"{TOOLS}/host-figures", figures.FIGURES)
    yield LeftoverUnit(timer, f"{UNITS}/{timer}", reported)
    guard = exporters.GUARD_UNIT
    yield LeftoverUnit(guard, f"{UNITS}/{guard}", (exporters.GUARD_RULES,))


def _drop_in(unit: str) -> str:
    return f"{UNITS}/{unit}.d/runbook.conf"
