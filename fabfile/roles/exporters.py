"""What every host of a watched site tells the monitoring host, and nobody else: figures of the
host, of what the runbook put there, of PostgreSQL, and of what users got at an edge.

Everything comes from Debian's packages. A site without a host of the role `monitoring` gets none
of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..control.haproxy import DRAINED_NODES
from ..control.keepalived import EDGE_DRAINED, holds_probe
from ..engine.host import Node
from ..engine.journal import HOST_JOURNAL
from ..engine.step import Step
from ..settings.bingo import SERVICE
from ..settings.paths import ROOT, SETTINGS, TOOLS
from ..settings.settings import Settings
from ..settings.template import render_template
from ..steps.file import Directory, File
from ..steps.package import Packages
from ..steps.unit import Unit
from . import healer, nginx
from .app import VERIFY

INTERVAL = 5
"""Seconds between two questions of the monitoring host."""
EVERY = 10
"""Seconds between two runs of `host-figures`: it starts a dozen processes each time."""

GUARD_UNIT = "runbook-metrics-guard.service"
GUARD_RULES = f"{SETTINGS}/metrics-guard.nft"
GUARD_TABLE = "inet runbook_metrics"

FIGURES_TIMER = "runbook-figures.timer"
FIGURES = "/run/runbook-figures"

MTAIL_SOCKET = "mtail.socket"


class Exporter(NamedTuple):
    """A daemon that answers the monitoring host."""

    job: str
    """How rules and graphs call it."""
    unit: str
    package: str
    port: int
    memory: int
    """Megabytes that its heap stays below."""
    what: str


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
EDGE = Exporter("edge", "mtail.service", "mtail", 3903, 24, "what users got, as nginx tells it")

COLLECTORS = (
    *("cpu", "diskstats", "filesystem", "loadavg", "meminfo", "netdev"),
    *("stat", "textfile", "time", "timex", "uname", "vmstat"),
)
FILESYSTEMS = (
    "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|mqueue"
    "|nsfs|proc|pstore|ramfs|securityfs|squashfs|sysfs|tracefs)$$"
)
"""File systems that cannot fill up. An overlay can: it is the root of a container. (`$$`: systemd's
word for one dollar.)"""


def host_exporters(settings: Settings, node: Node) -> list[Exporter]:
    """The exporters of `node`, by its roles; none on a site without monitoring."""
    if not settings.monitors:
        return []
    mine = [NODE]
    mine += [POSTGRES] if "postgres" in node.roles else []
    mine += [EDGE] if "edge" in node.roles else []
    return mine


def exporter_units(settings: Settings, node: Node) -> list[str]:
    """The units that must run on `node` so that it is watched."""
    mine = host_exporters(settings, node)
    if not mine:
        return []
    sockets = [MTAIL_SOCKET] if EDGE in mine else []
    return [GUARD_UNIT, FIGURES_TIMER, *sockets, *(one.unit for one in mine)]


def exporter_steps(
    settings: Settings, node: Node, units: Sequence[str], logs: Sequence[str]
) -> list[Step]:
    """The whole role on `node`. `units`: what must run there; `logs`: files that the app writes."""
    mine = host_exporters(settings, node)
    if not mine:
        return []
    return [
        Packages(("nftables", *(one.package for one in mine))),
        *_guard_steps(settings, mine),
        *_figure_steps(settings, node, units, logs),
        *(_edge_steps(settings) if EDGE in mine else []),
        *(
            step
            for one in mine
            for step in _daemon_steps(settings, node, one, _command(node, one), MORE.get(one, ()))
        ),
    ]


def _guard_steps(settings: Settings, mine: Sequence[Exporter]) -> list[Step]:
    """Firewall rules of our own: systemd's filter by address does nothing on a kernel without
    BPF for cgroups."""
    ports = [one.port for one in mine]
    ports += [settings.edge.stats_port] if EDGE in mine else []
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


def _figure_steps(
    settings: Settings, node: Node, units: Sequence[str], logs: Sequence[str]
) -> list[Step]:
    script = render_template(
        "monitoring/figures",
        folder=FIGURES,
        units=units,
        roles=node.roles,
        healer=f"/run/{healer.RUNTIME}/healer.prom",
        root=ROOT,
        journal=HOST_JOURNAL,
        logs=logs,
        drained=DRAINED_NODES,
        edge_drained=EDGE_DRAINED,
        address=settings.edge.address,
        holds=holds_probe(settings.edge.address) if settings.edge.address else "",
        cache=f"{nginx.CACHE}/answers",
    )
    service = render_template(
        "monitoring/figures.service",
        tools=TOOLS,
        every=EVERY,
        runtime=FIGURES.rpartition("/")[2],
    )
    timer = render_template("monitoring/figures.timer", every=EVERY)
    name = FIGURES_TIMER.removesuffix(".timer")
    return [
        File(f"{TOOLS}/host-figures", script, mode=0o755, validate="sh -n {}"),
        File(f"/etc/systemd/system/{name}.service", service),
        File(f"/etc/systemd/system/{FIGURES_TIMER}", timer, notify=(f"restart:{FIGURES_TIMER}",)),
        Unit(FIGURES_TIMER),
    ]


def histogram_bounds() -> list[float]:
    """Seconds, ascending: the service's own limits, and some around them for smooth curves."""
    limits = {SERVICE.load.p90_ms / 1000, SERVICE.cache.within_seconds}
    return sorted(limits | {0.01, 0.05, 0.1, 0.2, 2.0, 5.0, 15.0})


PROGRAM = f"{SETTINGS}/mtail/edge.mtail"


def _edge_steps(settings: Settings) -> list[Step]:
    """The socket that nginx tells its answers, and the program that counts them."""
    program = render_template(
        "monitoring/edge.mtail", bounds=[f"{bound:g}" for bound in histogram_bounds()]
    )
    socket = render_template("monitoring/mtail.socket", port=nginx.ANSWERS)
    restart = (f"restart:{EDGE.unit}",)
    return [
        Directory(PROGRAM.rpartition("/")[0]),
        File(
            PROGRAM,
            program,
            validate="mtail --compile_only --logtostderr --progs {} 2>&1",
            notify=restart,
        ),
        File(f"/etc/systemd/system/{MTAIL_SOCKET}", socket, notify=restart),
        Unit(MTAIL_SOCKET),
    ]


def _command(node: Node, one: Exporter) -> str:
    listen = f"--web.listen-address={node.address}:{one.port}"
    if one is NODE:
        chosen = " ".join(f"--collector.{name}" for name in COLLECTORS)
        return (
            f"/usr/bin/prometheus-node-exporter {listen} --web.disable-exporter-metrics"
            f" --log.level=warn --collector.disable-defaults {chosen}"
            f" --collector.textfile.directory={FIGURES}"
            f" --collector.filesystem.fs-types-exclude={FILESYSTEMS}"
            " --collector.filesystem.mount-points-exclude="
            "^/(dev|proc|sys|run/credentials|run/host)($$|/)"
        )
    if one is POSTGRES:
        return (
            f"/usr/bin/prometheus-postgres-exporter {listen} --disable-settings-metrics"
            " --log.level=warn --no-collector.wal --collector.long_running_transactions"
        )
    return (
        f"/usr/bin/mtail --progs {PROGRAM} --logs - --logtostderr --stderrthreshold=ERROR"
        f" --address {node.address} --port {one.port} --emit_prog_label=false"
    )


MORE = {
    # It reads the kernel's word on the clock by adjtimex(); without CAP_SYS_TIME it cannot set it.
    NODE: ("ProtectClock=no", "SystemCallFilter=adjtimex"),
    POSTGRES: (
        "Environment=DATA_SOURCE_NAME="
        '"host=/run/postgresql user=prometheus dbname=postgres sslmode=disable"',
    ),
    EDGE: (
        "StandardInput=socket",
        "StandardOutput=journal",
        "StandardError=journal",
        # It waits for its input as it ends, for 20 s, and keeps nothing.
        "KillSignal=SIGKILL",
        "SuccessExitStatus=SIGKILL",
    ),
}
"""Lines of a unit that only this exporter has."""


def _daemon_steps(
    settings: Settings, node: Node, one: Exporter, command: str, more: Sequence[str]
) -> list[Step]:
    drop_in = f"/etc/systemd/system/{one.unit}.d"
    text = render_template(
        "monitoring/exporter.conf",
        what=one.what,
        guard=GUARD_UNIT,
        needs=[MTAIL_SOCKET] if one is EDGE else [],
        command=command,
        more=more,
        memory=one.memory,
        interval=INTERVAL,
        monitors=settings.monitors,
    )
    return [
        Directory(drop_in),
        File(f"{drop_in}/runbook.conf", text, notify=(f"restart:{one.unit}",)),
        Unit(one.unit),
    ]
