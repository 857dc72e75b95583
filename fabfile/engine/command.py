"""Commands that carry out a change: shell, upload, SQL. Each can be shown before it runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from .scripts import report_script
from .secret import mask_secrets

if TYPE_CHECKING:
    from .link import Link

Progress = Callable[[str], None]
"""Called with one short line about the work in progress."""


@dataclass(frozen=True)
class Shell:
    """A POSIX sh script, run as root. `timeout` is the longest silence in seconds."""

    script: str
    timeout: float = 120

    def execute(self, link: Link, progress: Progress) -> None:
        """Run the script on `link`; a non-zero exit status raises RunbookError."""
        link.run(self.script, timeout=self.timeout)

    def show(self) -> str:
        """The script, secrets masked. Embedded files are left out: they may hold secrets."""
        return mask_secrets(
            re.sub(r"(<<'BASE64'\n).*?(?=\nBASE64)", r"\1…", self.script, flags=re.S)
        )


@dataclass(frozen=True)
class Upload:
    """Stream a local file to the host, which verifies its sha256 before it replaces `target`."""

    source: Path
    target: str
    sha256: str

    def execute(self, link: Link, progress: Progress) -> None:
        """Stream the file; report the progress at every tenth."""
        last_tenth = -1

        def report_tenth(sent: int, size: int) -> None:
            nonlocal last_tenth
            tenth = sent * 10 // max(size, 1)
            if tenth > last_tenth:
                last_tenth = tenth
                progress(f"upload {self.source.name} {sent / 1e6:.0f} of {size / 1e6:.0f} MB")

        link.upload(self.source, self.target, self.sha256, progress=report_tenth)

    def show(self) -> str:
        """The source and the target of the upload."""
        return f"upload {self.source} to {self.target}"


@dataclass(frozen=True)
class Sql:
    """Run statements over psycopg as the database's superuser, each in its own transaction."""

    database: str
    statements: tuple[str, ...]

    def execute(self, link: Link, progress: Progress) -> None:
        """Run the statements in order; RunbookError with the server's message if one is refused."""
        from .postgres import connect_database

        with connect_database(link, self.database) as connection:
            for statement in self.statements:
                progress(statement.strip().partition("\n")[0][:70])
                with report_script(link.name, "SQL", statement) as sent:
                    connection.execute(statement)
                    sent.code = 0

    def show(self) -> str:
        """The statements, secrets masked."""
        return mask_secrets(";\n".join(self.statements) + ";")


class Command(Protocol):
    """A command that carries out a change on a host and can be shown before it runs."""

    def execute(self, link: Link, progress: Progress) -> None:
        """Carry out the change; raise RunbookError if it fails."""

    def show(self) -> str:
        """The text of the command, secrets masked."""
