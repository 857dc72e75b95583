"""Seeding the database once, with progress, so that a killed run neither seeds twice nor leaves
half the data.

The database's own comment says how far it came: absent, `runbook: seeding …`, `runbook: seeded …`.
The seeding command is the binary's own (found by discovery); it runs on an app node as a transient
systemd unit, so it outlives a lost connection and is followed, not started again, by the next run.
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
from ..engine.words import quoted
from ..settings.paths import ROOT, binary_name
from ..settings.settings import Settings
from .seed_unit import UNIT, Finish, Seeding, app_node, read_unit, stop
from .sql import DatabaseStep

LIMIT = 3600.0
"""Seconds after which seeding is given up; the real binary takes 10 to 20 minutes."""


GUARD = """DO $$
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
"""Seeding empties the database first. A reading that failed (a restart, say) must not lead
there: asked again, inside."""


@dataclass(frozen=True)
class Seeded(DatabaseStep):
    """The database holds the binary's data, all of it."""

    settings: Settings
    command: tuple[str, ...] | None

    @property
    def database(self) -> str:  # type: ignore[override]
        """Whose data it is."""
        return self.settings.database.name

    @property
    def name(self) -> str:
        """`seed DATABASE`."""
        return f"seed {self.settings.database.name}"

    def probe(self) -> str:
        """The database's comment, its tables, and how many of them are empty."""
        return psql(
            self.settings.database.name,
            "SELECT replace(coalesce(shobj_description(oid, 'pg_database'), ''), E'\\n', ' ')"
            f" FROM pg_database WHERE datname = {quote_literal(self.database)};\n"
            "SELECT count(*), count(*) FILTER (WHERE pg_relation_size(c.oid) = 0) FROM pg_class c"
            " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r';",
        )

    def compare(self, found: str | None) -> Change | None:
        """Seed, seed again after a cut-off, or adopt data that was there before us.

        Raises:
            RunbookError: there are tables, but nobody knows whose and some are empty.
        """
        database = self.database
        if found is None:
            return self._seed_change(f"seed database {database}")
        lines = found.splitlines()
        if len(lines) != 2 or not re.fullmatch(r"\d+\|\d+", lines[1]):
            raise RunbookError(
                f"whether database {database} is seeded is not clear from the answer"
                f" «{found.strip()[:80]}»",
                "seeding starts by emptying it, so it is not started without a clear answer",
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
                f"database {database} holds {tables} tables that the runbook did not make, {empty}"
                " of them empty",
                "seeding over them could destroy somebody's data",
                "check it (inv db.status); to start over: DROP the tables, or to keep it:"
                f" {self._comment_statement('runbook: seeded by hand')}",
            )
        adopt = Sql(database, (self._comment_statement("runbook: seeded (found so)"),))
        return Change(f"adopt the data found in database {database}", (adopt,))

    def _comment_statement(self, text: str) -> str:
        return f"COMMENT ON DATABASE {quote_ident(self.database)} IS {quote_literal(text)}"

    def _seed_change(self, sentence: str) -> Change:
        begin, end = (
            self._comment_statement("runbook: seeding"),
            self._comment_statement("runbook: seeded"),
        )
        database = self.settings.database.name
        prepare = Prepare(self.settings, self.command)
        commands = (
            Sql(database, (GUARD, begin)),
            prepare,
            Finish(self.settings, Sql(database, (end,))),
        )
        return Change(sentence, commands)


@dataclass(frozen=True)
class Prepare:
    """Runs the binary's seeding command on an app node, or follows the one that still runs
    there."""

    settings: Settings
    command: tuple[str, ...] | None

    def show(self) -> str:
        """The command."""
        return f"{binary_name(self.settings)} {' '.join(self.command or ('?',))}"

    def execute(self, link: Link, progress: Progress) -> None:
        """Run it to its end, rows counted on the way.

        Raises:
            RunbookError: the binary has no such command, or it failed (its last words are in the
            message).
        """
        if self.command is None:
            raise RunbookError(
                "discovery found no command that seeds the database",
                "the app would serve from an empty one",
                "fab app.discover, and seed by hand",
            )
        with app_node(self.settings) as node:
            state = read_unit(node)
            if state is Seeding.FINISHED and self._has_tables(link):
                return  # the run that began it did not live to record it
            if state is not Seeding.RUNNING:
                self._empty_database(link)
                node.run(self._start_script())
            self._follow_seeding(link, node, progress)

    def _has_tables(self, link: Link) -> bool:
        from ..engine.postgres import connect_database

        with connect_database(link, self.settings.database.name) as connection:
            return bool(connection.execute(TABLES).fetchall())

    def _empty_database(self, link: Link) -> None:
        """Remove what a cut-off seeding left.

        Raises:
            RunbookError: the database does not bear the mark of an unfinished seeding.
        """
        from ..engine.postgres import connect_database

        with connect_database(link, self.settings.database.name) as connection:
            connection.execute(GUARD)  # asked again here, where the tables are dropped
            # Unlinking the files of a table of gigabytes may take longer than a question of ours
            # may.
            connection.execute("SET statement_timeout = 0")
            for (table,) in connection.execute(TABLES).fetchall():
                connection.execute(f"DROP TABLE public.{table} CASCADE")

    def _start_script(self) -> str:
        binary = f"{ROOT}/current/{binary_name(self.settings)}"
        words = " ".join(map(q, (binary, *(self.command or ()))))
        return (
            f"{stop()}systemd-run -q --unit={UNIT} -p User={q(self.settings.app.user)} -p"
            f" RemainAfterExit=yes {words}"
        )

    def _follow_seeding(self, link: Link, node: Link, progress: Progress) -> None:
        from ..engine.postgres import connect_database

        with connect_database(link, self.settings.database.name) as connection:

            def ended() -> bool:
                progress(_bytes_written(connection))
                return read_unit(node) is not Seeding.RUNNING

            ended_in_time = wait_until(ended, seconds=LIMIT, every=0.5)
        if not ended_in_time or read_unit(node) is not Seeding.FINISHED:
            raise self._failed(node, ended_in_time)

    def _failed(self, node: Link, ended: bool) -> RunbookError:
        """How the seeding ended, in its own last words; nothing of it goes on."""
        probe = (
            f"systemctl show -p Result --value {UNIT}.service; journalctl -u {UNIT} -n 3 -o cat"
            " --no-pager"
        )
        verdict, _, words = node.read([probe])[0].out.partition("\n")
        node.run(stop())
        seen = (
            f"ended with «{verdict}»" if ended else f"did not end within {LIMIT / 60:.0f} minutes"
        )
        return RunbookError(
            f"seeding on {node.name} {seen}: {quoted(words) or 'it printed nothing'}",
            "the database is not complete; the next run starts seeding over",
            "inv db.seed",
        )


TABLES = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"
SIZES = """SELECT relname, pg_relation_size(oid) / 1000000 FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 2 DESC"""


def _bytes_written(connection: Any) -> str:
    """How much lies in each table by now: true for any way of seeding (COPY's own counter starts
    over with each batch)."""
    from psycopg.errors import LockNotAvailable, QueryCanceled

    try:
        sizes = connection.execute(SIZES).fetchall()
    except (
        LockNotAvailable,
        QueryCanceled,
    ):  # the seeding itself may lock its tables: that is no failure of it
        return "seeding: its tables are locked"
    tables = ", ".join(f"{table} {size} MB" for table, size in sizes if size)
    return f"seeding: {tables or 'begun'}"
