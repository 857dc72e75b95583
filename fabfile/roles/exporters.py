"""The exporters on the hosts of a watched site. Only the monitoring host can read them.

All exporters come from Debian's packages. A site without a host of the role `monitoring` gets
none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..engine.host import Node
from ..engine.step import Step
from ..settings.paths import SETTINGS
from ..settings.settings import Settings
from ..settings.template import render_template
from ..steps.file import Directory, File
from ..steps.package import Packages
from ..steps.unit import Unit
from .app import VERIFY
from .figures import (
    FIGURES,
    FIGURES_TIMER,
    MTAIL_PROGRAM,
    MTAIL_SOCKET,
    MTAIL_UNIT,
    edge_figure_steps,
    host_figure_steps,
)

SCRAPE_SECONDS = 5
"""Seconds between two scrapes by the monitoring host."""

GUARD_UNIT = "runbook-metrics-guard.service"
GUARD_RULES = f"{SETTINGS}/metrics-guard.nft"
GUARD_TABLE = "inet runbook_metrics"


class Exporter(NamedTuple):
    """A daemon that the monitoring host scrapes."""

    job: str
    """The name of its job in Prometheus. Rules and graphs select by this name."""
    unit: str
    package: str
    port: int
    memory: int
    """The limit of its heap, in MiB. The unit's limit is three times this."""
    what: str
    """What it reports, for people."""


NODE = Exporter(
    "node",
    "prometheus-node-exporter.service",
    "prometheus-node-exporter",
    9100,
    16,
    "figures of the host",
)
POSTGRES = Exporter(
    "postgres",
    "prometheus-postgres-exporter.service",
    "prometheus-postgres-exporter",
    9187,
    24,
    "figures of PostgreSQL",
)
EDGE = Exporter("edge", MTAIL_UNIT, "mtail", 3903, 24, "what users got from nginx")

COLLECTORS = (
    *("cpu", "diskstats", "filesystem", "loadavg", "meminfo", "netdev"),
    *("stat", "textfile", "time", "timex", "uname", "vmstat"),
)
FILESYSTEMS = (
    "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|mqueue"
    "|nsfs|proc|pstore|ramfs|securityfs|squashfs|sysfs|tracefs)$$"
)
"""Matches file systems that cannot fill up. An overlay can, because it is the root of a container,
so it is not here. systemd reads `$$` as one dollar."""


def host_exporters(settings: Settings, node: Node) -> list[Exporter]:
    """The exporters of `node`, by its roles; none on a site without monitoring."""
    if not settings.monitors:
        return []
    found = [NODE]
    if "postgres" in node.roles:
        found.append(POSTGRES)
    if "edge" in node.roles:
        found.append(EDGE)
    return found


def exporter_units(settings: Settings, node: Node) -> list[str]:
    """The units that must run on `node` so that it is watched."""
    found = host_exporters(settings, node)
    if not found:
        return []
    sockets = [MTAIL_SOCKET] if EDGE in found else []
    return [GUARD_UNIT, FIGURES_TIMER, *sockets, *(exporter.unit for exporter in found)]


def exporter_steps(
    settings: Settings, node: Node, units: Sequence[str], logs: Sequence[str]
) -> list[Step]:
    """The exporters on `node`. `units` must run there; `logs` are the files that the app writes."""
    found = host_exporters(settings, node)
    if not found:
        return []
    return [
        Packages(("nftables", *(exporter.package for exporter in found))),
        # Before the exporters: their ports must never be open to every host.
        *_guard_steps(settings, found),
        *host_figure_steps(settings, node, units, logs),
        *(edge_figure_steps(settings.program) if EDGE in found else []),
        *(step for exporter in found for step in _daemon_steps(settings, node, exporter)),
    ]


def _guard_steps(settings: Settings, found: Sequence[Exporter]) -> list[Step]:
    """Firewall rules that let only the monitoring host reach the exporters.

    systemd's own filter (IPAddressAllow) has no effect on a kernel without BPF for cgroups.
    """
    ports = [exporter.port for exporter in found]
    if EDGE in found:
        ports.append(settings.edge.stats_port)  # HAProxy's own exporter
    rules = render_template(
        "monitoring/guard.nft", table=GUARD_TABLE, ports=ports, monitors=settings.monitors
    )
    unit = render_template("monitoring/guard.service", rules=GUARD_RULES, table=GUARD_TABLE)
    restart = (f"restart:{GUARD_UNIT}",)
    return [
        File(GUARD_RULES, rules, validate="nft -c -f {}", notify=(f"reload:{GUARD_UNIT}",)),
        File(f"/etc/systemd/system/{GUARD_UNIT}", unit, validate=VERIFY, notify=restart),
        Unit(GUARD_UNIT),
    ]


def _exporter_command(node: Node, exporter: Exporter) -> str:
    """The command line of `exporter` on `node`, for its unit."""
    listen = f"--web.listen-address={node.address}:{exporter.port}"
    if exporter is NODE:
        collectors = " ".join(f"--collector.{name}" for name in COLLECTORS)
        return (
            f"/usr/bin/prometheus-node-exporter {listen} --web.disable-exporter-metrics"
            f" --log.level=warn --collector.disable-defaults {collectors}"
            f" --collector.textfile.directory={FIGURES}"
            f" --collector.filesystem.fs-types-exclude={FILESYSTEMS}"
            " --collector.filesystem.mount-points-exclude="
            "^/(dev|proc|sys|run/credentials|run/host)($$|/)"
        )
    if exporter is POSTGRES:
        return (
            f"/usr/bin/prometheus-postgres-exporter {listen} --disable-settings-metrics"
            " --log.level=warn --no-collector.wal --collector.long_running_transactions"
        )
    return (
        f"/usr/bin/mtail --progs {MTAIL_PROGRAM} --logs - --logtostderr --stderrthreshold=ERROR"
        f" --address {node.address} --port {exporter.port} --emit_prog_label=false"
    )


UNIT_LINES = {
    # It reads the state of the clock with adjtimex(). It cannot set the clock, because it has no
    # CAP_SYS_TIME.
    NODE: ("ProtectClock=no", "SystemCallFilter=adjtimex"),
    POSTGRES: (
        "Environment=DATA_SOURCE_NAME="
        '"host=/run/postgresql user=prometheus dbname=postgres sslmode=disable"',
    ),
    EDGE: (
        "StandardInput=socket",
        "StandardOutput=journal",
        "StandardError=journal",
        # On SIGTERM mtail waits 20 s for input. It keeps no data, so nothing is lost by SIGKILL.
        "KillSignal=SIGKILL",
        "SuccessExitStatus=SIGKILL",
    ),
}
"""The lines that only the unit of this exporter has."""


def _daemon_steps(settings: Settings, node: Node, exporter: Exporter) -> list[Step]:
    """The unit of `exporter`, with its hardened drop-in."""
    drop_in = f"/etc/systemd/system/{exporter.unit}.d"
    text = render_template(
        "monitoring/exporter.conf",
        what=exporter.what,
        guard=GUARD_UNIT,
        needs=[MTAIL_SOCKET] if exporter is EDGE else [],
        command=_exporter_command(node, exporter),
        more=UNIT_LINES.get(exporter, ()),
        memory=exporter.memory,
        interval=SCRAPE_SECONDS,
        monitors=settings.monitors,
    )
    return [
        Directory(drop_in),
        File(f"{drop_in}/runbook.conf", text, notify=(f"restart:{exporter.unit}",)),
        Unit(exporter.unit),
    ]
