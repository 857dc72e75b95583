"""The healer on an app node: `healer/` of this project as files, its configuration, a hardened
unit.

`healer/` documents what it does; what it needs of the edges is the last block of
configs/haproxy/haproxy.cfg.
"""

from __future__ import annotations

from pathlib import Path

from ..engine.host import Node
from ..engine.lock import FILE as LOCK
from ..engine.step import Step
from ..settings.bingo import SERVICE
from ..settings.paths import OURS, SETTINGS, TOOLS, app_unit
from ..settings.project import PROJECT
from ..settings.settings import Settings
from ..settings.template import render_template
from ..steps.file import Directory, File
from ..steps.modules import NoOldModules
from ..steps.package import Packages
from ..steps.unit import Unit
from . import app
from .postgres import PORT

HEALER_UNIT = "runbook-healer.service"
CONFIG = f"{SETTINGS}/healer.conf"
RUNTIME = "runbook-healer"
"""Its folder below /run: `healer.prom` for Prometheus, and `busy` while it restarts the app."""

FAST, SLOW = 15, 45
"""Seconds to wait for a peer that is down: a start takes 2 with the fast start, else 30 (R20)."""

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def healer_steps(settings: Settings, node: Node, facts: app.Discovered) -> list[Step]:
    """The whole role; it comes before the app, so that a first start is watched, too."""
    restart = (f"restart:{HEALER_UNIT}",)
    folder = f"{TOOLS}/healer"
    return [
        Packages(("python3-minimal",)),
        Directory(folder),
        *(
            File(f"{folder}/{path.name}", _our_path(path), notify=restart)
            for path in healer_sources()
        ),
        NoOldModules(folder, tuple(path.name for path in healer_sources())),
        File(CONFIG, _healer_config(settings, node, facts), notify=restart),
        File(
            f"/etc/systemd/system/{HEALER_UNIT}",
            _healer_unit(settings),
            validate=app.VERIFY,
            notify=restart,
        ),
        Unit(HEALER_UNIT),
    ]


def healer_sources() -> list[Path]:
    """The healer's modules."""
    return sorted((PROJECT / "healer").glob("*.py"))


def _our_path(path: Path) -> str:
    return f"# {OURS}.\n{path.read_text(encoding='utf-8')}"


def _healer_config(settings: Settings, node: Node, facts: app.Discovered) -> str:
    nodes = settings.inventory.having("app")
    return render_template(
        "app/healer.conf",
        node=node,
        order=nodes.index(node),
        peers=[peer for peer in nodes if peer != node],
        lock=LOCK,
        run=f"/run/{RUNTIME}",
        unit=app_unit(settings),
        port=facts.port,
        health=SERVICE.health.path,
        app=settings.app,
        memory_max=int(settings.app.memory_max.rstrip("KMGT"))
        * _UNITS[settings.app.memory_max.lstrip("0123456789")],
        patience=FAST if facts.reject else SLOW,
        edges=settings.inventory.having("edge"),
        edge_port=settings.edge.healer_port,
        databases=settings.inventory.having("postgres"),
        database_port=PORT,
        database=settings.database,
    )


def _healer_unit(settings: Settings) -> str:
    return render_template(
        "app/healer.service",
        unit=app_unit(settings),
        tools=TOOLS,
        config=CONFIG,
        runtime=RUNTIME,
        talks_to=settings.inventory.having("edge", "postgres"),
    )
