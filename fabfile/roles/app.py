"""The role of the opaque binary on an app node: release, configuration, bounded log, fast start,
and a hardened unit.

Discovery finds what is particular to the binary (paths, port, arguments, destinations), and the
role gets it as `Discovered`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ..engine.step import Step
from ..settings.bingo import SERVICE
from ..settings.paths import ROOT, SETTINGS, TOOLS, app_unit, binary_name
from ..settings.settings import Settings
from ..settings.template import render_template
from ..steps.account import Account
from ..steps.file import Directory, File, Symlink
from ..steps.package import Packages
from ..steps.release import Release
from ..steps.unit import Unit
from .postgres import PORT


class Discovered(Protocol):
    """What discovery found about the binary."""

    @property
    def command(self) -> tuple[str, ...]:
        """The arguments that make it serve."""

    @property
    def port(self) -> int:
        """The TCP port it listens on."""

    @property
    def config(self) -> str | None:
        """The path of the configuration file it reads; None if it reads none."""

    @property
    def logs(self) -> tuple[str, ...]:
        """The files it appends to: its logs."""

    @property
    def directories(self) -> tuple[str, ...]:
        """The directories it creates files in."""

    @property
    def reject(self) -> Sequence[tuple[str, int]]:
        """The destinations (address, port) that it calls and that never answer."""


def ground_steps(settings: Settings, source: Path) -> list[Step]:
    """What discovery needs: tools, the user, the release. These steps restart nothing.

    Args:
        settings: the site.
        source: the file of the binary on the controller.
    """
    app = settings.app
    return [
        Packages(("nftables", "strace", "logrotate", "procps")),
        Account(app.user),
        Directory(ROOT),
        Directory(f"{ROOT}/releases"),
        app_release(settings, source),
    ]


def app_release(settings: Settings, source: Path) -> Release:
    """The release of the pinned binary."""
    return Release(ROOT, source, settings.app.sha256, binary_name(settings))


def app_config(settings: Settings) -> str:
    """The text of the app's configuration. It contains the password, so use it only for the
    file."""
    return render_template(
        "app/config.yaml",
        app=settings.app,
        db=settings.database,
        database_port=PORT,
        database_hosts=settings.inventory.having("postgres"),
        password=settings.password.reveal(),
    )


def app_steps(settings: Settings, source: Path, facts: Discovered) -> list[Step]:
    """The whole role. The unit comes last, because its step does the pending restart."""
    service = app_unit(settings)
    restart = (f"restart:{service}", f"gate:{service}")
    return [
        *ground_steps(settings, source),
        *_file_steps(settings, facts, restart),
        *_log_steps(settings, facts),
        Symlink(f"{ROOT}/current", f"releases/{app_release(settings, source).id}", notify=restart),
        File(
            f"/etc/systemd/system/{service}",
            _service_text(settings, source, facts),
            validate=VERIFY,
            notify=restart,
        ),
        Unit("runbook-logrotate.timer"),
        Unit(service, timeout=150),
    ]


def port_probe(settings: Settings) -> str:
    """Read-only shell text that prints the port for which the app's unit on a node was written.

    `ExecStartPost` of the unit waits for that port, so the number is there.
    """
    return (
        "sed -n 's|^ExecStartPost=.*/app-ready \\([0-9]*\\) .*|\\1|p'"
        f" /etc/systemd/system/{app_unit(settings)} 2>/dev/null; true"
    )


VERIFY = "systemd-analyze verify --recursive-errors=no {}"
"""Shell command that checks a unit file before it is installed. Errors of other units on the host
do not count."""


def _file_steps(settings: Settings, facts: Discovered, restart: tuple[str, ...]) -> list[Step]:
    """What the unit needs: directories, configuration, scripts, and the rules for a fast start."""
    user = settings.app.user
    steps: list[Step] = [
        Directory(path, mode=0o750, owner=f"{user}:{user}") for path in facts.directories
    ]
    if facts.config:
        steps.append(Directory(facts.config.rpartition("/")[0]))
        steps.append(
            File(
                facts.config, app_config(settings), mode=0o640, owner=f"root:{user}", notify=restart
            )
        )
    steps.append(File(f"{TOOLS}/app-ready", render_template("app/ready"), mode=0o755))
    steps.append(File(f"{TOOLS}/app-gate", render_template("app/app-gate"), mode=0o755))
    if facts.reject:
        egress = render_template(
            "app/egress.nft", table=EGRESS_TABLE, user=user, outbound=facts.reject
        )
        steps.append(File(EGRESS, egress, validate="nft -c -f {}", notify=restart))
    return steps


EGRESS = f"{SETTINGS}/egress.nft"
"""The firewall rules that make a start fast (R20): they reject calls to destinations that never
answer, so the binary does not wait for them. The unit loads the rules at each start."""
EGRESS_TABLE = "inet runbook_egress"


def _log_steps(settings: Settings, facts: Discovered) -> list[Step]:
    """The rotation that bounds the size of the app's logs (R22)."""
    app = settings.app
    timer = "runbook-logrotate.timer"
    rotation = render_template(
        "app/logrotate.conf", logs=facts.logs, size_mb=app.log_max_mb, user=app.user
    )
    return [
        File(f"{SETTINGS}/logrotate.conf", rotation, validate="logrotate -d {}"),
        File(
            "/etc/systemd/system/runbook-logrotate.service",
            render_template("app/logrotate.service"),
            validate=VERIFY,
        ),
        File(
            f"/etc/systemd/system/{timer}",
            render_template("app/logrotate.timer"),
            notify=(f"restart:{timer}",),
        ),
    ]


def _service_text(settings: Settings, source: Path, facts: Discovered) -> str:
    return render_template(
        "app/app.service",
        unit=app_unit(settings),
        release=app_release(settings, source).id,
        user=settings.app.user,
        command=" ".join([f"{ROOT}/current/{binary_name(settings)}", *facts.command]),
        egress=EGRESS if facts.reject else "",
        port=facts.port,
        health=SERVICE.health.live.path,
        memory_max=settings.app.memory_max,
        writes=facts.directories,
    )
