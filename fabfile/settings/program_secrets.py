"""The secrets of the program, `[secret]` of its service file: made once on the controller, the same
on all app nodes."""

from __future__ import annotations

import base64
import re
import secrets
from pathlib import Path

from ..engine.errors import RunbookError
from ..engine.files import create_secret
from ..engine.secret import Secret
from .program import SecretRule
from .service import Service
from .settings import Database


def secrets_folder(site: Path, database: Database) -> Path:
    """The folder of the secrets of the site file `site`: that of the database's password."""
    file = database.password_file
    return file.parent if file else site.parent / "secrets"


def read_secrets(service: Service, folder: Path) -> dict[str, Secret]:
    """The secrets of `service` by name, from `<folder>/<service>-<name>`; a missing file is made.

    Raises:
        RunbookError: a file cannot be read or made, or does not hold one line of plain characters.
    """
    return {
        name: Secret(_read_secret(folder / f"{service.name}-{name}", name, rule))
        for name, rule in service.secrets.items()
    }


def make_secret(rule: SecretRule) -> str:
    """A new random text of the rule's length and form."""
    data = secrets.token_bytes(rule.bytes)
    if rule.form == "hex":
        return data.hex()
    if rule.form == "base64":
        return base64.b64encode(data).decode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _read_secret(file: Path, name: str, rule: SecretRule) -> str:
    try:
        if not file.exists():
            create_secret(file, make_secret(rule))
        text = file.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise RunbookError(
            f"{file}: {str(reason).lower()}",
            f"it holds secret.{name} of the program",
            f"ls -l {file}",
        ) from None
    if not re.fullmatch(r"[!-~]+", text):  # the text itself is not shown: it is a secret
        raise RunbookError(
            f"{file} must hold one line of plain characters, without blanks",
            f"it holds secret.{name} of the program",
            f"edit {file}, or move it away: the next run makes a new secret",
        )
    return text
