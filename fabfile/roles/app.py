"""The opaque binary on an app node: release, configuration, bounded log, fast start, hardened unit.

Everything that is particular to the binary (paths, port, arguments, whom it calls) comes from discovery, as `Discovered`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ..engine.step import Step
from ..settings.settings import Settings
from ..steps.account import Account
from ..steps.file import Directory, File, Symlink
from ..steps.package import Packages
from ..steps.release import Release
from ..steps.template import render
from ..steps.unit import Unit
from .base import SETTINGS, TOOLS
from .postgres import PORT

ROOT = "/srv/app"
"""Releases lie in `<ROOT>/releases/<id>`; `<ROOT>/current` points to the one that runs."""


class Discovered(Protocol):
    """What discovery found out about the binary."""

    @property
    def command(self) -> tuple[str, ...]:
        """Arguments that make it serve."""

    @property
    def port(self) -> int:
        """The TCP port it serves at."""

    @property
    def config(self) -> str | None:
        """The configuration file it reads."""

    @property
    def logs(self) -> tuple[str, ...]:
        """Files it appends to."""

    @property
    def directories(self) -> tuple[str, ...]:
        """Directories it creates files in."""

    @property
    def reject(self) -> Sequence[tuple[str, int]]:
        """Destinations it waits for in vain."""


def unit(settings: Settings) -> str:
    """The app's systemd unit."""
    return f"{settings.app.user}.service"


def binary(settings: Settings) -> str:
    """The binary's file name in a release."""
    return settings.app.user


def ground(settings: Settings, source: Path) -> list[Step]:
    """What discovery needs: tools, the user, the release. Disturbs nothing that runs."""
    app = settings.app
    return [
        Packages(("nftables", "strace", "logrotate", "procps")),
        Account(app.user),
        Directory(ROOT),
        Directory(f"{ROOT}/releases"),
        release(settings, source),
    ]


def release(settings: Settings, source: Path) -> Release:
    """The release of the pinned binary."""
    return Release(ROOT, source, settings.app.sha256, binary(settings))


def config(settings: Settings) -> str:
    """The app's configuration, with the password in it: for its file only."""
    return render(
        "app/config.yaml",
        app=settings.app,
        db=settings.database,
        database_port=PORT,
        database_hosts=settings.inventory.having("postgres"),
        password=settings.password.reveal(),
    )


def steps(settings: Settings, source: Path, facts: Discovered) -> list[Step]:
    """The whole role; the unit comes last and settles what the others owe it."""
    service = unit(settings)
    restart = (f"restart:{service}", f"gate:{service}")
    return [
        *ground(settings, source),
        *_files(settings, facts, restart),
        *_log(settings, facts),
        Symlink(f"{ROOT}/current", f"releases/{release(settings, source).id}", notify=restart),
        File(f"/etc/systemd/system/{service}", _service(settings, source, facts), validate=VERIFY, notify=restart),
        Unit("runbook-logrotate.timer"),
        Unit(service, timeout=150),
    ]


def port_probe(settings: Settings) -> str:
    """Read-only shell text that prints where the app on a node is set up to serve (`ExecStartPost` of its unit)."""
    return f"sed -n 's|^ExecStartPost=.*/app-ready \\([0-9]*\\) .*|\\1|p' /etc/systemd/system/{unit(settings)} 2>/dev/null; true"


VERIFY = "systemd-analyze verify --recursive-errors=no {}"


def _files(settings: Settings, facts: Discovered, restart: tuple[str, ...]) -> list[Step]:
    user = settings.app.user
    made: list[Step] = [Directory(path, mode=0o750, owner=f"{user}:{user}") for path in facts.directories]
    if facts.config:
        made.append(Directory(facts.config.rpartition("/")[0]))
        made.append(File(facts.config, config(settings), mode=0o640, owner=f"root:{user}", notify=restart))
    made.append(File(f"{TOOLS}/app-ready", render("app/ready"), mode=0o755))
    made.append(File(f"{TOOLS}/app-gate", render("app/app-gate"), mode=0o755))
    if facts.reject:
        egress = render("app/egress.nft", table=EGRESS_TABLE, user=user, outbound=facts.reject)
        made.append(File(EGRESS, egress, validate="nft -c -f {}", notify=restart))
    return made


EGRESS = f"{SETTINGS}/egress.nft"
"""The rules that make a start fast (R20): the unit loads them each time."""
EGRESS_TABLE = "inet runbook_egress"


def _log(settings: Settings, facts: Discovered) -> list[Step]:
    app, timer = settings.app, "runbook-logrotate.timer"
    bound = render("app/logrotate.conf", logs=facts.logs, size_mb=app.log_max_mb, user=app.user)
    return [
        File(f"{SETTINGS}/logrotate.conf", bound, validate="logrotate -d {}"),
        File("/etc/systemd/system/runbook-logrotate.service", render("app/logrotate.service"), validate=VERIFY),
        File(f"/etc/systemd/system/{timer}", render("app/logrotate.timer"), notify=(f"restart:{timer}",)),
    ]


def _service(settings: Settings, source: Path, facts: Discovered) -> str:
    return render(
        "app/app.service",
        unit=unit(settings),
        release=release(settings, source).id,
        user=settings.app.user,
        command=" ".join([f"{ROOT}/current/{binary(settings)}", *facts.command]),
        egress=EGRESS if facts.reject else "",
        port=facts.port,
        health=HEALTH,
        memory_max=settings.app.memory_max,
        writes=facts.directories,
    )


HEALTH = "/ping"
"""Answers 200 when the app is well (R19)."""

DATABASE = "/db_dummy"
"""Goes through the database, and needs no data there (R5)."""

READS = ("/api/movie/", "/api/customer/", "/api/session/")
"""Cheap reads by id (R6-R8): what the gate watches, once there are data and their indexes."""
