"""Alertmanager: who receives which alert. Receivers come from the site file. Secrets are in files
of their own that only Alertmanager can read."""

from __future__ import annotations

from pathlib import Path

from ..control.silences import ALERTMANAGER, ALERTMANAGER_UNIT
from ..engine.errors import RunbookError
from ..engine.secret import Secret
from ..engine.step import Step
from ..settings.project import PROJECT
from ..settings.settings import Settings
from ..settings.template import render_template
from ..steps.file import File
from ..steps.unit import Unit
from .monitoring_units import FOLDER, server_steps, until_ready

OWNER = "prometheus:prometheus"


def alertmanager_steps(settings: Settings) -> list[Step]:
    """Its unit, its secrets, its words, its configuration.

    Raises:
        RunbookError: a file of a secret cannot be read.
    """
    restart = (f"restart:{ALERTMANAGER_UNIT}",)
    config, words = f"{FOLDER}/alertmanager.yml", f"{FOLDER}/words.tmpl"
    secrets = _secret_files(settings)
    text = render_template(
        "monitoring/alertmanager.yml",
        monitoring=settings.monitoring,
        secrets={name: f"{FOLDER}/{name}" if path else "" for name, path in secrets.items()},
        words=words,
    )
    # No gossip: there is one of it. Written to the disk each minute, not each 15: a power failure
    # brought back a silence that had been lifted.
    command = (
        f"/usr/bin/prometheus-alertmanager --config.file={config} --cluster.listen-address="
        f" --web.listen-address=127.0.0.1:{ALERTMANAGER}"
        " --storage.path=/var/lib/prometheus/alertmanager --log.level=warn"
        " --data.maintenance-interval=1m"
    )
    return [
        *server_steps(ALERTMANAGER_UNIT, "who receives which alert", command, 96),
        *(
            File(
                f"{FOLDER}/{name}",
                _read_secret(settings, name, path).reveal(),
                mode=0o600,
                owner=OWNER,
                notify=restart,
            )
            for name, path in secrets.items()
            if path
        ),
        File(words, _template_text("words.tmpl"), notify=restart),
        File(config, text, validate="amtool check-config {} >&2", notify=restart),
        Unit(ALERTMANAGER_UNIT, ready=until_ready(ALERTMANAGER)),
    ]


def _secret_files(settings: Settings) -> dict[str, Path | None]:
    """The controller's file of each secret that Alertmanager may need."""
    monitoring = settings.monitoring
    return {
        "smtp_password": monitoring.smtp_password_file,
        "webhook": monitoring.webhook_file,
        "slack": monitoring.slack_file,
        "telegram_token": monitoring.telegram_token_file,
    }


def _template_text(name: str) -> str:
    """Alertmanager's own templates use Jinja's marks: taken as they are."""
    return (PROJECT / "configs" / "monitoring" / name).read_text(encoding="utf-8")


def _read_secret(settings: Settings, name: str, path: Path) -> Secret:
    """The one line of a secret's file.

    Raises:
        RunbookError: it cannot be read, or holds no single line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "it is no text"
        raise RunbookError(
            f"monitoring.{name}: {path} cannot be read: {problem}",
            "Alertmanager could call nobody by it; nothing was changed",
            f"ls -l {path}, or take the setting out of {settings.path}",
        ) from None
    if not text or len(text.split()) != 1:
        raise RunbookError(
            f"monitoring.{name}: {path} must hold one line without blanks",
            "Alertmanager could call nobody by it; nothing was changed",
            f"edit {path}",
        )
    return Secret(text)
