"""The role of the opaque binary on an app node: release, configuration, bounded log, fast start,
and a hardened unit.

Discovery finds what is particular to the binary (paths, port, arguments, destinations), and the
role gets it as `Discovered`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ..engine.host import Node
from ..engine.step import Step
from ..settings.paths import ROOT, SETTINGS, app_unit, binary_name
from ..settings.program_texts import ProgramTexts
from ..settings.settings import Settings
from ..settings.template import render_template
from ..steps.account import Account
from ..steps.file import Directory, File, Symlink
from ..steps.package import Packages
from ..steps.release import Release
from ..steps.unit import Unit
from .app_scripts import app_scripts
from .app_unit import command_line, environment_path, render_unit, split_environment


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
    return [
        Packages(("nftables", "strace", "logrotate", "procps", *settings.program.program.packages)),
        Account(settings.app.user),
        Directory(ROOT),
        Directory(f"{ROOT}/releases"),
        app_release(settings, source),
    ]


def app_release(settings: Settings, source: Path) -> Release:
    """The release of the pinned binary."""
    return Release(ROOT, source, settings.app.sha256, binary_name(settings))


def app_texts(settings: Settings, node: Node | None, facts: Discovered | None) -> ProgramTexts:
    """The texts of the program for one node; without `facts`, before discovery."""
    port, config = (facts.port, facts.config) if facts else (0, None)
    return ProgramTexts(settings, node, port, config)


def app_config(settings: Settings, node: Node | None) -> str:
    """The text of the configuration file whose path discovery finds; empty if there is none. It may
    hold secrets, so use it only for the file."""
    texts = app_texts(settings, node, None)
    found = next((file for file in settings.program.files if not file.path), None)
    return texts.fill_file(found).text if found else ""


def app_steps(
    settings: Settings, source: Path, facts: Discovered, node: Node | None = None
) -> list[Step]:
    """The whole role on `node`. The unit comes last, because its step does the pending restart."""
    service = app_unit(settings)
    restart = (f"restart:{service}", f"gate:{service}")
    texts = app_texts(settings, node, facts)
    return [
        *ground_steps(settings, source),
        *program_directories(texts, facts.directories),
        *program_files(texts, restart),
        *_environment_steps(texts, restart),
        *_script_steps(texts, facts, restart),
        *_log_steps(settings, facts),
        Symlink(f"{ROOT}/current", f"releases/{app_release(settings, source).id}", notify=restart),
        File(
            f"/etc/systemd/system/{service}",
            _service_text(texts, source, facts),
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


def program_directories(texts: ProgramTexts, discovered: Sequence[str] = ()) -> list[Step]:
    """The folders that the program writes to, those of discovery first, and its working
    directory."""
    user = texts.settings.app.user
    kept = [found.path for found in texts.service.directories]
    own = dict.fromkeys((*discovered, *kept))
    steps: list[Step] = [Directory(path, mode=0o750, owner=f"{user}:{user}") for path in own]
    work = texts.service.start.directory
    return steps if work == "/" or work in own else [*steps, Directory(work)]


def program_files(texts: ProgramTexts, restart: tuple[str, ...]) -> list[Step]:
    """The files that the program reads, each with its folder. `restart` are the notifications of a
    file whose change needs a restart."""
    steps: list[Step] = []
    for file in texts.service.files:
        path = texts.path_of(file)
        if not path:
            continue
        folder = Directory(path.rpartition("/")[0])
        notify = {"restart": restart, "reload": _reload(texts.settings), "nothing": ()}
        content = File(
            path,
            texts.fill_file(file).text,
            mode=int(file.mode, 8),
            owner=f"root:{texts.settings.app.user}",
            notify=notify[file.change],
        )
        steps += [content] if folder in steps else [folder, content]
    return steps


def _reload(settings: Settings) -> tuple[str, ...]:
    return (f"reload:{app_unit(settings)}",)


def _environment_steps(texts: ProgramTexts, restart: tuple[str, ...]) -> list[Step]:
    """The file with the environment variables that hold a secret, if there are any."""
    secret = split_environment(texts.fill_environment(texts.service.start.environment)).secret_text
    if not secret:
        return []
    return [File(environment_path(texts.settings), secret, mode=0o600, notify=restart)]


def _script_steps(texts: ProgramTexts, facts: Discovered, restart: tuple[str, ...]) -> list[Step]:
    """The scripts of the unit and of the gate, and the rules for a fast start."""
    settings = texts.settings
    steps = app_scripts(texts)
    if facts.reject:
        egress = render_template(
            "app/egress.nft", table=EGRESS_TABLE, user=settings.app.user, outbound=facts.reject
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
    log = settings.program.log
    logs = () if log and log.to == "journal" else facts.logs
    rotation = render_template(
        "app/logrotate.conf", logs=logs, size_mb=app.log_max_mb, user=settings.app.user
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


def _service_text(texts: ProgramTexts, source: Path, facts: Discovered) -> str:
    settings, start = texts.settings, texts.service.start
    binary = f"{ROOT}/current/{binary_name(settings)}"
    arguments = texts.fill_words(start.command, "start.command") or facts.command
    environment = split_environment(texts.fill_environment(start.environment))
    kept = [found.path for found in texts.service.directories]
    return render_unit(
        "app/app.service",
        texts,
        unit=app_unit(settings),
        release=app_release(settings, source).id,
        command=command_line(binary, arguments),
        environment=environment.lines,
        environment_file=environment_path(settings) if environment.secret_text else "",
        egress=EGRESS if facts.reject else "",
        port=facts.port,
        health=texts.service.health.live.path,
        ready_seconds=start.ready_seconds,
        stop_seconds=start.stop_seconds,
        reloads=any(file.change == "reload" for file in texts.service.files),
        writes=list(dict.fromkeys((*facts.directories, *kept, *start.sandbox.writes))),
    )
