"""Alertmanager on the monitoring host: who receives which alert.

The receivers come from the site file. Each secret is in a file that only Alertmanager can read.
"""

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
    """Alertmanager's unit, secrets, message texts and configuration.

    Raises:
        RunbookError: a file with a secret cannot be read.
    """
    restart = (f"restart:{ALERTMANAGER_UNIT}",)
    config = f"{FOLDER}/alertmanager.yml"
    words = f"{FOLDER}/words.tmpl"
    secrets = _secret_files(settings)
    text = render_template(
        "monitoring/alertmanager.yml",
        monitoring=settings.monitoring,
        secrets={name: f"{FOLDER}/{name}" if path else "" for name, path in secrets.items()},
        words=words,
    )
    # Alertmanager runs alone, so the empty cluster address switches off its gossip. It saves its
    # silences every minute instead of every 15: after a power failure, a silence that had been
    # removed came back.
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
    """The file on the controller with each secret that Alertmanager may need; None if it is not
    set."""
    monitoring = settings.monitoring
    return {
        "smtp_password": monitoring.smtp_password_file,
        "webhook": monitoring.webhook_file,
        "slack": monitoring.slack_file,
        "telegram_token": monitoring.telegram_token_file,
    }


def _template_text(name: str) -> str:
    """The text of a file of Alertmanager's own templates. They use Jinja's marks, so Jinja must not
    render them."""
    return (PROJECT / "configs" / "monitoring" / name).read_text(encoding="utf-8")


def _read_secret(settings: Settings, name: str, path: Path) -> Secret:
    """Read the secret in the file `path`, which the setting `name` names.

    Raises:
        RunbookError: the file cannot be read, or does not hold exactly one word.
    """
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "it is not a text file"
        raise RunbookError(
            f"monitoring.{name}: {path} cannot be read: {problem}",
            "Alertmanager could not notify anybody this way; nothing was changed",
            f"ls -l {path}, or remove the setting from {settings.path}",
        ) from None
    if not text or len(text.split()) != 1:
        raise RunbookError(
            f"monitoring.{name}: {path} must hold one line without blanks",
            "Alertmanager could not notify anybody this way; nothing was changed",
            f"edit {path}",
        )
    return Secret(text)
