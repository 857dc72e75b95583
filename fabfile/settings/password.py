"""The password of the program's database role: from the environment, or from a file."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..engine.errors import RunbookError
from ..engine.files import create_secret
from ..engine.secret import Secret
from .service import Service
from .settings import Database


def read_password(database: Database, program: Service, site: Path) -> Secret:
    """The password of the site file `site`; empty for a program without a database. A missing
    password file is created.

    Raises:
        RunbookError: there is none, it cannot be read, or no configuration file can hold it.
    """
    if program.database is None:
        return Secret("")
    if text := os.environ.get("DB_PASSWORD"):
        return Secret(_check_text("the environment's DB_PASSWORD", text, site))
    if database.password_file is None:
        raise RunbookError(
            "there is no database password",
            "neither database.password_file nor the environment's DB_PASSWORD is set",
            f"set database.password_file in {site}",
        )
    text = _read_file(database.password_file)
    return Secret(_check_text(f"database.password_file: {database.password_file}", text, site))


def _read_file(file: Path) -> str:
    try:
        if not file.exists():
            create_secret(file)
        return file.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        word = error.strerror if isinstance(error, OSError) else "it is no text"
        raise RunbookError(
            f"the password file {file} cannot be read: {word}",
            "the app needs it",
            f"ls -l {file}",
        ) from None


def _check_text(where: str, text: str, site: Path) -> str:
    """Return `text`, or refuse it if a configuration file cannot hold it unquoted.

    The message does not show it, because it is a password.
    """
    if (
        not re.fullmatch(r"[!-~]+", text)
        or set(text) & set("'\"\\#")
        or text[0] in "!%&*@`{|[>,"
        or text[-1] == ":"
    ):
        raise RunbookError(
            f"{site}: {where} must hold one line of plain characters: no blanks, quotes,"
            " backslashes or #",
            "nothing was done",
            f"edit {site}",
        )
    return text
