"""The step that seeds the database once, safe against a killed run.

A comment on the database records the progress: none, `runbook: seeding`, `runbook: seeded`.
Discovery finds the seeding command of the binary. The command runs on an app node as a transient
systemd unit, so it survives a lost connection. The next run follows the unit and does not start it
again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ..engine.command import Progress, Sql
from ..engine.errors import RunbookError
from ..engine.link import Link
from ..engine.psql import psql
from ..engine.shell import q
from ..engine.sqltext import quote_ident, quote_literal
from ..engine.step import Change
from ..engine.waiting import wait_until
from ..settings.paths import ROOT, binary_name
from ..settings.settings import Settings
from .followed_unit import WorkState, open_app_node
from .seed_unit import SEED_UNIT, MarkSeeded
from .sql import DatabaseStep

LIMIT_SECONDS = 3600.0
"""Seeding is aborted after this time; the real binary takes 10 to 20 minutes."""

REFUSE_FOREIGN_TABLES = """DO $$
DECLARE
  mark text := coalesce(shobj_description(oid, 'pg_database'), '')
    FROM pg_database WHERE datname = current_database();
BEGIN
  IF mark NOT LIKE 'runbook: seeding%' AND EXISTS (
    SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r')
  THEN RAISE EXCEPTION
    'the database holds tables that no unfinished seeding left (its mark: «%»)', mark;
  END IF;
END $$"""
"""Statement that fails when the database holds tables without the mark of an unfinished seeding.
Seeding drops all tables first, so the database itself checks again just before that: the probe
may have read a wrong state, for example during a restart."""


@dataclass(frozen=True)
class Seeded(DatabaseStep):
    """The database holds all data of the binary. `command` is None when discovery found no seeding
    command."""

    settings: Settings
    command: tuple[str, ...] | None

    @property
    def database(self) -> str:  # type: ignore[override]
        """The app's database."""
        return self.settings.database.name

    @property
    def name(self) -> str:
        """`seed DATABASE`."""
        return f"seed {self.settings.database.name}"

    def probe(self) -> str:
        """Read the comment on the database, the number of tables and of empty tables."""
        return psql(
            self.settings.database.name,
            "SELECT replace(coalesce(shobj_description(oid, 'pg_database'), ''), E'\\n', ' ')"
            f" FROM pg_database WHERE datname = {quote_literal(self.database)};\n"
            "SELECT count(*), count(*) FILTER (WHERE pg_relation_size(c.oid) = 0) FROM pg_class c"
            " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r';",
        )

    def holds_data(self, found: str) -> bool:
        """Whether the seeding is complete, by an answer to the probe."""
        return found.startswith("runbook: seeded")

    def compare(self, found: str | None) -> Change | None:
        """Seed, seed again after an unfinished seeding, or adopt existing data.

        Raises:
            RunbookError: the answer is not clear, or tables of unknown origin are empty.
        """
        database = self.database
        if found is None:
            return self._seed_change(f"seed database {database}")
        lines = found.splitlines()
        if len(lines) != 2 or not re.fullmatch(r"\d+\|\d+", lines[1]):
            raise RunbookError(
                f"whether database {database} is seeded is not clear from the answer"
                f" «{found.strip()[:80]}»",
                "seeding drops all tables first, so it does not start without a clear answer",
                "inv db.status; then again",
            )
        comment, (tables, empty) = lines[0], map(int, lines[1].split("|"))
        if comment.startswith("runbook: seeded") and tables:
            return None
        if comment.startswith("runbook: seeding"):
            return self._seed_change(
                f"seed database {database} (an earlier seeding did not finish)"
            )
        if not tables:
            return self._seed_change(f"seed database {database}")
        if empty:
            raise RunbookError(
                f"database {database} holds {tables} tables that the runbook did not create,"
                f" {empty} of them empty",
                "seeding drops these tables, and they may hold somebody's data",
                "inv db.status; then DROP the tables to seed again, or keep them:"
                f" {self._comment_statement('runbook: seeded by hand')}",
            )
        # Another tool seeded the database; the mark keeps the runbook from dropping its tables.
        adopt = Sql(database, (self._comment_statement("runbook: seeded (found so)"),))
        return Change(f"adopt the data found in database {database}", (adopt,))

    def _comment_statement(self, text: str) -> str:
        return f"COMMENT ON DATABASE {quote_ident(self.database)} IS {quote_literal(text)}"

    def _seed_change(self, sentence: str) -> Change:
        begin = self._comment_statement("runbook: seeding")
        end = self._comment_statement("runbook: seeded")
        commands = (
            Sql(self.database, (REFUSE_FOREIGN_TABLES, begin)),
            RunSeeding(self.settings, self.command),
            MarkSeeded(self.settings, Sql(self.database, (end,))),
        )
        return Change(sentence, commands)


@dataclass(frozen=True)
class RunSeeding:
    """Command that runs the binary's seeding command on an app node. It follows a seeding that
    still runs there."""

    settings: Settings
    command: tuple[str, ...] | None

    def show(self) -> str:
        """The seeding command, as a plan shows it."""
        return f"{binary_name(self.settings)} {' '.join(self.command or ('?',))}"

    def execute(self, link: Link, progress: Progress) -> None:
        """Run the seeding to its end and report the size of the tables meanwhile.

        Raises:
            RunbookError: the binary has no seeding command, or the command failed (the message
            quotes the end of its output).
        """
        if self.command is None:
            raise RunbookError(
                "discovery found no command that seeds the database",
                "the app would serve from an empty database",
                "fab app.discover, then seed by hand",
            )
        with open_app_node(self.settings) as node:
            state = SEED_UNIT.read_state(node)
            if state is WorkState.FINISHED and self._has_tables(link):
                return  # The run that started this seeding was killed before it set the mark.
            if state is not WorkState.RUNNING:
                self._empty_database(link)
                node.run(self._start_script())
            self._follow_seeding(link, node, progress)

    def _has_tables(self, link: Link) -> bool:
        from ..engine.postgres import connect_database

        with connect_database(link, self.settings.database.name) as connection:
            return bool(connection.execute(TABLES).fetchall())

    def _empty_database(self, link: Link) -> None:
        """Drop the tables of an unfinished seeding.

        Raises:
            RunbookError: the database does not carry the mark of an unfinished seeding.
        """
        from ..engine.postgres import connect_database

        with connect_database(link, self.settings.database.name) as connection:
            # The tables are dropped here, so this is the place for the last check.
            connection.execute(REFUSE_FOREIGN_TABLES)
            # Deleting the files of a large table may take longer than the default timeout.
            connection.execute("SET statement_timeout = 0")
            for (table,) in connection.execute(TABLES).fetchall():
                connection.execute(f"DROP TABLE public.{table} CASCADE")

    def _start_script(self) -> str:
        binary = f"{ROOT}/current/{binary_name(self.settings)}"
        command = " ".join(map(q, (binary, *(self.command or ()))))
        # RemainAfterExit keeps the result of the unit for a later run.
        return (
            f"{SEED_UNIT.stop_script()}systemd-run -q --unit={SEED_UNIT.name} -p"
            f" User={q(self.settings.app.user)} -p RemainAfterExit=yes {command}"
        )

    def _follow_seeding(self, link: Link, node: Link, progress: Progress) -> None:
        from ..engine.postgres import connect_database

        with connect_database(link, self.settings.database.name) as connection:

            def has_ended() -> bool:
                progress(_describe_progress(connection))
                return SEED_UNIT.read_state(node) is not WorkState.RUNNING

            ended_in_time = wait_until(has_ended, seconds=LIMIT_SECONDS, every=0.5)
        if not ended_in_time or SEED_UNIT.read_state(node) is not WorkState.FINISHED:
            raise self._stop_failed(node, ended_in_time=ended_in_time)

    def _stop_failed(self, node: Link, *, ended_in_time: bool) -> RunbookError:
        """Stop the seeding unit, and return the error with the end of its output."""
        result, output = SEED_UNIT.read_end(node)
        node.run(SEED_UNIT.stop_script())
        outcome = (
            f"ended with «{result}»"
            if ended_in_time
            else f"did not end within {LIMIT_SECONDS / 60:.0f} minutes"
        )
        return RunbookError(
            f"seeding on {node.name} {outcome}: {output or 'it printed nothing'}",
            "the database is not complete; the next run seeds it again",
            "inv db.seed",
        )


TABLES = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"
SIZES = """SELECT relname, pg_relation_size(oid) / 1000000 FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 2 DESC"""


def _describe_progress(connection: Any) -> str:
    """The size of each table. It works for any way of seeding; the counter of COPY starts again
    with each batch."""
    from psycopg.errors import LockNotAvailable, QueryCanceled

    try:
        sizes = connection.execute(SIZES).fetchall()
    except (LockNotAvailable, QueryCanceled):
        # The seeding may lock its own tables, which is not an error.
        return "seeding: its tables are locked"
    tables = ", ".join(f"{table} {megabytes} MB" for table, megabytes in sizes if megabytes)
    return f"seeding: {tables or 'no data yet'}"
