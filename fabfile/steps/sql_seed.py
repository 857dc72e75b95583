"""The step that seeds the database once with a file of SQL, one statement at a time.

Each statement is a transaction that also sets its mark, so a run that was killed goes on with the
next statement.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field
from typing import Any

from ..engine.command import Progress
from ..engine.errors import RunbookError
from ..engine.journal import operator_name
from ..engine.link import Link
from ..engine.messages import plural
from ..engine.psql import psql
from ..engine.scripts import report_script
from ..engine.secret import mask_secrets
from ..engine.sqltext import quote_ident, quote_literal
from ..engine.step import Change
from . import marks
from .sql import DatabaseStep


@dataclass(frozen=True)
class SeededBySql(DatabaseStep):
    """The statements were executed once.

    Attributes:
        database: the program's database.
        owner: the role that executes them.
        statements: they may hold secrets.
        tables: tables that must not be empty afterwards.
        seconds: the longest time for one statement.
    """

    database: str
    owner: str
    statements: tuple[str, ...] = field(repr=False)
    tables: tuple[str, ...] = ()
    seconds: int = 3600

    @property
    def name(self) -> str:
        """`seed DATABASE`."""
        return f"seed {self.database}"

    def probe(self) -> str:
        """Read the marks, and how many of `tables` hold data."""
        return psql(self.database, f"{marks.READ}\n{filled_tables_query(self.tables)};")

    def holds_data(self, found: str) -> bool:
        """Whether the seeding is complete, by an answer to the probe."""
        return marks.parse_marks(found, self.database)[0].has_mark(marks.SEEDED)

    def compare(self, found: str | None) -> Change | None:
        """Seed, go on with an unfinished seeding, or adopt existing data.

        Raises:
            RunbookError: the answer is not clear, or some tables hold data of unknown origin.
        """
        known, rest = marks.Marks(), ["0"]
        if found is not None:
            known, rest = marks.parse_marks(found, self.database)
        if known.has_mark(marks.SEEDED):
            return None
        filled, done = int(rest[0]), len(executed_statements(known))
        set_mark = marks.SetMarks(self.database, (marks.SEEDED,), "")
        if filled and not done:
            if filled == len(self.tables):
                return Change(f"adopt the data found in database {self.database}", (set_mark,))
            raise RunbookError(
                f"{filled} of the tables {', '.join(self.tables)} in database {self.database} hold"
                " data that the runbook did not create",
                "seeding adds rows to them, and they may hold somebody's data",
                "inv db.status; then empty these tables, or fill the others, and run it again",
            )
        count = plural(len(self.statements), "statement")
        how = f"{count}, {done} of them done" if done else count
        return Change(f"seed database {self.database} ({how})", (ExecuteSeed(self), set_mark))


def executed_statements(known: marks.Marks) -> Set[int]:
    """The numbers of the statements that were executed, by their marks."""
    prefix = f"{marks.SEEDED} "
    return {int(what.removeprefix(prefix)) for what, _ in known.rows if what.startswith(prefix)}


def filled_tables_query(tables: tuple[str, ...]) -> str:
    """The query for the number of `tables` that hold data. A table that does not exist is empty."""
    names = ", ".join(map(quote_literal, tables))
    return (
        f"SELECT count(*) FROM unnest(ARRAY[{names}]::text[]) AS name WHERE"
        " coalesce(pg_relation_size(to_regclass(name)), 0) > 0"
    )


@dataclass(frozen=True)
class ExecuteSeed:
    """Command that executes the statements that have no mark yet."""

    seed: SeededBySql

    def show(self) -> str:
        """The statements, secrets masked."""
        return mask_secrets(";\n".join(self.seed.statements) + ";")

    def execute(self, link: Link, progress: Progress) -> None:
        """Execute them in order, each with its mark.

        Raises:
            RunbookError: a statement was refused, or a table is still empty at the end.
        """
        from ..engine.postgres import connect_database

        seed, number = self.seed, len(self.seed.statements)
        with connect_database(link, seed.database) as connection:
            connection.execute(f"SET statement_timeout = '{seed.seconds}s'")
            for statement in marks.CREATE:
                connection.execute(statement)
            done = executed_statements(_read_marks(connection))
            for at, statement in enumerate(seed.statements, 1):
                if at not in done:
                    words = " ".join(mask_secrets(statement).split())
                    progress(f"seed: statement {at} of {number}: {words[:50]}")
                    self._execute_statement(link, connection, at)
            [[filled]] = connection.execute(filled_tables_query(seed.tables)).fetchall()
        if filled < len(seed.tables):
            raise RunbookError(
                f"{link.name}: all {plural(number, 'statement')} of the seeding were executed, but"
                f" only {filled} of the tables {', '.join(seed.tables)} hold data",
                "the database is not complete",
                "inv db.status; edit [database.seed] of the service file",
            )

    def _execute_statement(self, link: Link, connection: Any, at: int) -> None:
        statement = self.seed.statements[at - 1]
        with report_script(link.name, "SQL", statement) as sent, connection.transaction():
            # What it creates belongs to the program.
            connection.execute(f"SET LOCAL ROLE {quote_ident(self.seed.owner)}")
            connection.execute(statement)
            connection.execute("RESET ROLE")
            mark = marks.set_mark(f"{marks.SEEDED} {at}", "", operator_name())
            connection.execute(mark)
            sent.code = 0


def _read_marks(connection: Any) -> marks.Marks:
    rows = connection.execute("SELECT what, release FROM runbook.marks ORDER BY at").fetchall()
    return marks.Marks(tuple((what, release) for what, release in rows))
