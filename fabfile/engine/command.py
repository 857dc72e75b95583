"""The ways a change is carried out, as values: shell text, an upload, SQL. Each can be shown
before it is done."""

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
"""Gets one short line about work in progress."""


@dataclass(frozen=True)
class Shell:
    """A POSIX sh script, run as root. `timeout` is the longest silence in seconds."""

    script: str
    timeout: float = 120

    def execute(self, link: Link, progress: Progress) -> None:
        """Run it on `link`; a non-zero exit raises RunbookError."""
        link.run(self.script, timeout=self.timeout)

    def show(self) -> str:
        """The script, secrets masked, embedded files left out (they may hold some)."""
        return mask_secrets(
            re.sub(r"(<<'BASE64'\n).*?(?=\nBASE64)", r"\1…", self.script, flags=re.S)
        )


@dataclass(frozen=True)
class Upload:
    """A local file streamed to the host, verified there by sha256 before it takes its place."""

    source: Path
    target: str
    sha256: str

    def execute(self, link: Link, progress: Progress) -> None:
        """Stream it; reports every tenth of the way."""
        shown = -1

        def step(sent: int, size: int) -> None:
            nonlocal shown
            tenth = sent * 10 // max(size, 1)
            if tenth > shown:
                shown = tenth
                progress(f"upload {self.source.name} {sent / 1e6:.0f} of {size / 1e6:.0f} MB")

        link.upload(self.source, self.target, self.sha256, progress=step)

    def show(self) -> str:
        """What goes where."""
        return f"upload {self.source} to {self.target}"


@dataclass(frozen=True)
class Sql:
    """Statements run as the database's superuser over psycopg, each in a transaction of its own
    (autocommit)."""

    database: str
    statements: tuple[str, ...]

    def execute(self, link: Link, progress: Progress) -> None:
        """Run them in order; a refused one raises RunbookError with the server's words."""
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
    """Anything that carries out a change on a host and can be shown beforehand."""

    def execute(self, link: Link, progress: Progress) -> None:
        """Do it; RunbookError when it cannot be done."""

    def show(self) -> str:
        """What it would do, secrets masked."""
