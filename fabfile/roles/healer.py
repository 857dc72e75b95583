"""The role of the healer on an app node: the modules of `healer/`, their configuration, and a
hardened unit.

`healer/` documents how it decides. The healer's port on the edges is the last block of
configs/haproxy/haproxy.cfg.
"""

from __future__ import annotations

from pathlib import Path

from ..engine.host import Node
from ..engine.lock import FILE as LOCK
from ..engine.step import Step
from ..settings.paths import OURS, SETTINGS, TOOLS, app_unit
from ..settings.project import PROJECT
from ..settings.service import Health
from ..settings.settings import Settings
from ..settings.template import render_template
from ..steps.file import Directory, File
from ..steps.modules import NoOldModules
from ..steps.package import Packages
from ..steps.unit import Unit
from . import app
from .health_page import checks_body, is_plain, write_request
from .postgres import PORT

HEALER_UNIT = "runbook-healer.service"
CONFIG = f"{SETTINGS}/healer.conf"
RUNTIME = "runbook-healer"
"""Its folder below /run: `healer.prom` holds its metrics, and `busy` exists while it restarts the
app."""

PATIENCE_FAST_START = 15
PATIENCE_SLOW_START = 45
"""Seconds for which the healer waits for a peer that is down. A start of the app takes 2 s if its
calls to dead destinations are rejected at once (R20), else 30 s."""

USUAL = ((200,), (503,))
"""The statuses of a right answer and of an app at its limit that the healer knows by itself."""

_BYTES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def healer_steps(settings: Settings, node: Node, facts: app.Discovered) -> list[Step]:
    """The whole role. It comes before the app, so that the healer also watches the first start."""
    restart = (f"restart:{HEALER_UNIT}",)
    folder = f"{TOOLS}/healer"
    return [
        Packages(("python3-minimal",)),
        Directory(folder),
        *(
            File(f"{folder}/{path.name}", with_heading(path), notify=restart)
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
    """The files of the healer's modules."""
    return sorted((PROJECT / "healer").glob("*.py"))


def with_heading(path: Path) -> str:
    """The text of a module of this project as a host gets it, with our mark in the first line."""
    return f"# {OURS}.\n{path.read_text(encoding='utf-8')}"


def _healer_config(settings: Settings, node: Node, facts: app.Discovered) -> str:
    """The text of healer.conf on `node`."""
    nodes = settings.inventory.having("app")
    memory_max = settings.app.memory_max  # like 512M; without a letter: bytes
    return render_template(
        "app/healer.conf",
        node=node,
        order=nodes.index(node),
        peers=[peer for peer in nodes if peer != node],
        lock=LOCK,
        run=f"/run/{RUNTIME}",
        unit=app_unit(settings),
        port=facts.port,
        health=settings.program.health.live.path,
        rule=_health_rule(settings.program.health),
        app=settings.app,
        memory_max=int(memory_max.rstrip("KMGT")) * _BYTES[memory_max.lstrip("0123456789")],
        slowest=max([0, *(endpoint.timeout for endpoint in settings.program.endpoints)]),
        patience=PATIENCE_FAST_START if facts.reject else PATIENCE_SLOW_START,
        edges=settings.inventory.having("edge"),
        edge_port=settings.edge.healer_port,
        databases=settings.databases,
        database_port=PORT,
        database=settings.database,
    )


def _health_rule(health: Health) -> dict[str, str]:
    """What healer.conf says of the health page, as Python writes values; empty for a plain page,
    which the healer knows how to ask."""
    page = health.live
    if is_plain(page) and not checks_body(page) and (page.status, health.busy) == USUAL:
        return {}
    rule = {
        "request": write_request(page),
        "right": page.status,
        "busy": health.busy,
        "equals": page.equals,
        "contains": page.body,
        "not_contains": page.not_contains,
    }
    return {key: ascii(value) for key, value in rule.items()}


def _healer_unit(settings: Settings) -> str:
    return render_template(
        "app/healer.service",
        unit=app_unit(settings),
        tools=TOOLS,
        config=CONFIG,
        runtime=RUNTIME,
        talks_to=settings.inventory.having("edge", "postgres"),
    )
