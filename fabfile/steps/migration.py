"""The step that changes the program's tables for a release: once, before its first node is rolled.

A mark in the database says which releases were migrated. The release's own command runs on an app
node, as the app's user and with its sandbox, in a systemd unit that survives a lost connection.
Nothing that serves is changed: the unit sees files of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..engine.errors import RunbookError
from ..engine.psql import psql
from ..engine.step import Change, Step
from ..settings.program import Migration
from ..settings.settings import Settings
from . import marks
from .run_migration import DiscardMigration, RunMigration
from .sql import DatabaseStep


@dataclass(frozen=True)
class Migrated(DatabaseStep):
    """The tables are as `release` wants them.

    Attributes:
        settings: the site.
        rule: how the program migrates.
        release: the id of the release.
        preparation: steps for the app node: the release, the files that the migration sees, and its
            unit.
        folder: the folder of these files on the app node. It is removed afterwards.
        may_stop: whether the app may be stopped for a migration that the old release cannot bear.
    """

    settings: Settings
    rule: Migration
    release: str
    preparation: tuple[Step, ...] = field(default=(), repr=False)
    folder: str = ""
    may_stop: bool = False

    @property
    def database(self) -> str:  # type: ignore[override]
        """The program's database."""
        return self.settings.database.name

    @property
    def name(self) -> str:
        """`migrate PROGRAM`."""
        return f"migrate {self.settings.program.name}"

    def probe(self) -> str:
        """Read the marks, and the version of the tables."""
        # The version is only shown: before the first migration its table does not exist.
        version = f"\\set ON_ERROR_STOP 0\n{self.rule.version};" if self.rule.version else ""
        return psql(self.database, f"{marks.READ}\n{version}")

    def compare(self, found: str | None) -> Change | None:
        """Run the migration of a release without a mark.

        Raises:
            RunbookError: the answer is not clear; a later migration made the release useless; or
            the app must be stopped for the migration, and may not.
        """
        known, rest = marks.Marks(), [""]
        if found is not None:
            known, rest = marks.parse_marks(found, self.database)
        if later := known.cut_off_by(self.release):
            raise cut_off_error(self.release, later)
        if known.has_mark(marks.MIGRATED, self.release):
            return None
        version = rest[0].strip() if rest else ""
        # Tables of a version that nobody marked: the program was here before the runbook.
        is_first = not version and not known.releases(marks.MIGRATED)
        sentence = f"{self.name} {f'{version} → …' if version else '…'} (release {self.release})"
        if is_first or self.rule.compatible != "none":
            return self._migrate_change(sentence, (marks.MIGRATED,), stops=False)
        if not self.may_stop:
            raise RunbookError(
                f"{sentence}: the release that runs does not work on the new tables",
                "the app is stopped on all nodes until they run the new release, and no rollback"
                " leads back",
                "fab deploy --with-downtime",
            )
        sentence += ", the app is stopped meanwhile, no rollback leads back"
        return self._migrate_change(sentence, (marks.MIGRATED, marks.ONE_WAY), stops=True)

    def _migrate_change(self, sentence: str, whats: tuple[str, ...], *, stops: bool) -> Change:
        commands = (
            RunMigration(
                self.settings, self.rule, self.release, self.preparation, self.folder, stops
            ),
            marks.SetMarks(self.database, whats, self.release),
            # Last: until the mark is set, only the unit knows that the migration succeeded.
            DiscardMigration(self.settings, self.folder),
        )
        return Change(sentence, commands)


def cut_off_error(release: str, later: str) -> RunbookError:
    """The error for `release`, which does not work on the tables of the release `later`."""
    return RunbookError(
        f"release {release} does not work on the tables: release {later} changed them for good",
        'its service file says compatible = "none" about that migration, so there is no way back',
        f"deploy {later} or a newer release; or restore a backup of the database first",
    )
