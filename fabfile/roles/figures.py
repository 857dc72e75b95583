"""The figures that no exporter of Debian has, on a watched site: `host-figures` on every host, and
mtail's count of the answers of nginx on each edge."""

from __future__ import annotations

from collections.abc import Sequence

from ..control.edge_drain import EDGE_DRAINED
from ..control.haproxy import DRAINED_NODES
from ..control.site_front import find_front
from ..engine.host import Node
from ..engine.journal import HOST_JOURNAL
from ..engine.step import Step
from ..settings.paths import ROOT, SETTINGS, TOOLS
from ..settings.service import Service
from ..settings.settings import Settings
from ..settings.template import render_template
from ..steps.file import Directory, File
from ..steps.unit import Unit
from . import healer, nginx

FIGURES = "/run/runbook-figures"
"""The folder in which the node exporter finds the output of `host-figures`."""
FIGURES_TIMER = "runbook-figures.timer"
FIGURES_SECONDS = 10
"""Seconds between two runs of `host-figures`. Not less, because each run starts a dozen
processes."""

MTAIL_UNIT = "mtail.service"
MTAIL_SOCKET = "mtail.socket"
MTAIL_PROGRAM = f"{SETTINGS}/mtail/edge.mtail"


def host_figure_steps(
    settings: Settings, node: Node, units: Sequence[str], logs: Sequence[str]
) -> list[Step]:
    """The script `host-figures` and its timer. It watches `units`, and the size of the files
    `logs`."""
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
        shared=bool(settings.edge.address),
        serving=find_front(settings).serving_probe(),
        serving_figure=settings.edge.serving_figure,
        cache=f"{nginx.CACHE}/answers",
    )
    service = render_template(
        "monitoring/figures.service",
        tools=TOOLS,
        every=FIGURES_SECONDS,
        runtime=FIGURES.rpartition("/")[2],
    )
    timer = render_template("monitoring/figures.timer", every=FIGURES_SECONDS)
    name = FIGURES_TIMER.removesuffix(".timer")
    return [
        File(f"{TOOLS}/host-figures", script, mode=0o755, validate="sh -n {}"),
        File(f"/etc/systemd/system/{name}.service", service),
        File(f"/etc/systemd/system/{FIGURES_TIMER}", timer, notify=(f"restart:{FIGURES_TIMER}",)),
        Unit(FIGURES_TIMER),
    ]


def histogram_bounds(service: Service) -> list[float]:
    """The bounds of the histogram of answer times, in seconds, ascending.

    The service's own limits are bounds, so that the share of answers within a limit is exact. The
    others make the curves smooth.
    """
    limits = {
        service.load.p90_ms / 1000,
        *(service.latency_bound(endpoint) for endpoint in service.endpoints),
        *(rule.within_seconds for rule in service.caches),
    }
    return sorted(limits | {0.01, 0.05, 0.1, 0.2, 2.0, 5.0, 15.0})


def edge_figure_steps(service: Service) -> list[Step]:
    """The socket to which nginx sends its answers, and the mtail program that counts them."""
    program = render_template(
        "monitoring/edge.mtail", bounds=[f"{bound:g}" for bound in histogram_bounds(service)]
    )
    socket = render_template("monitoring/mtail.socket", port=nginx.ANSWERS)
    restart = (f"restart:{MTAIL_UNIT}",)
    return [
        Directory(MTAIL_PROGRAM.rpartition("/")[0]),
        File(
            MTAIL_PROGRAM,
            program,
            validate="mtail --compile_only --logtostderr --progs {} 2>&1",
            notify=restart,
        ),
        File(f"/etc/systemd/system/{MTAIL_SOCKET}", socket, notify=restart),
        Unit(MTAIL_SOCKET),
    ]
