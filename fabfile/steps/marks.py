"""The runbook's marks in the program's database: what was done there once, for which release, when
and by whom. They are rows of a table in a schema of their own."""

from __future__ import annotations

from dataclasses import dataclass

from ..engine.command import Progress, Sql
from ..engine.errors import RunbookError
from ..engine.journal import operator_name
from ..engine.link import Link
from ..engine.sqltext import quote_literal

MIGRATED = "migrate"
"""Mark: the tables are as this release wants them."""

ONE_WAY = "one-way"
"""Mark: earlier releases do not work on the tables of this release."""

SEEDED = "seed"
"""Mark: the program's first rows are there."""

CREATE = (
    "CREATE SCHEMA IF NOT EXISTS runbook",
    "CREATE TABLE IF NOT EXISTS runbook.marks (what text, release text, at timestamptz NOT NULL"
    " DEFAULT now(), by text NOT NULL, PRIMARY KEY (what, release))",
)
"""Statements that create the table. The program's role gets no rights on it."""

READ = r"""SELECT to_regclass('runbook.marks') IS NOT NULL AS known \gset
\if :known
SELECT 'mark', what, release FROM runbook.marks ORDER BY at;
\endif
\echo read"""
"""Lines for psql that print what `parse_marks` reads."""


@dataclass(frozen=True)
class Marks:
    """The marks of a database, the oldest first, each with what was done and the release."""

    rows: tuple[tuple[str, str], ...] = ()

    def has_mark(self, what: str, release: str = "") -> bool:
        """Whether this mark is set."""
        return (what, release) in self.rows

    def releases(self, what: str) -> tuple[str, ...]:
        """The releases with a mark for `what`."""
        return tuple(release for done, release in self.rows if done == what)

    def cut_off_by(self, release: str) -> str:
        """The release whose migration made `release` useless; empty if there is none."""
        later = self.rows
        if self.has_mark(MIGRATED, release):
            later = later[later.index((MIGRATED, release)) :]
        return next((other for done, other in later if done == ONE_WAY and other != release), "")


def parse_marks(text: str, database: str) -> tuple[Marks, list[str]]:
    """Pure: the marks in the answer to READ, and the lines after them.

    Raises:
        RunbookError: the answer is not clear. What the caller does next cannot be undone, so a
        guess is not allowed.
    """
    lines = text.splitlines()
    rows = [line.split("|") for line in lines[: lines.index("read")]] if "read" in lines else [[]]
    if any(len(row) != 3 or row[0] != "mark" for row in rows):
        raise RunbookError(
            f"the runbook's marks in database {database} are not clear from the answer"
            f" «{text.strip()[:80]}»",
            "what they say decides whether tables are changed, so nothing was done",
            "inv db.status; then again",
        )
    return Marks(tuple((what, release) for _, what, release in rows)), lines[len(rows) + 1 :]


def set_mark(what: str, release: str, by: str) -> str:
    """The statement that sets a mark, with the present time."""
    values = ", ".join(map(quote_literal, (what, release, by)))
    return (
        f"INSERT INTO runbook.marks (what, release, by) VALUES ({values}) ON CONFLICT (what,"
        " release) DO UPDATE SET at = now(), by = excluded.by"
    )


@dataclass(frozen=True)
class SetMarks:
    """Command that sets marks for a release, and creates the table of marks first."""

    database: str
    whats: tuple[str, ...]
    release: str

    def show(self) -> str:
        """The statements."""
        return self._statements("who").show()

    def execute(self, link: Link, progress: Progress) -> None:
        """Set the marks in the name of the person who runs this."""
        self._statements(operator_name()).execute(link, progress)

    def _statements(self, by: str) -> Sql:
        marks = (set_mark(what, self.release, by) for what in self.whats)
        return Sql(self.database, (*CREATE, *marks))
