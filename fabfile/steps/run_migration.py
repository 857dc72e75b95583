"""The commands of a migration: run it on an app node, and remove what it left there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..engine.command import Progress
from ..engine.errors import RunbookError
from ..engine.fleet import raise_first
from ..engine.link import Link
from ..engine.shell import q
from ..engine.step import Step
from ..engine.waiting import wait_until
from ..settings.paths import app_unit
from ..settings.program import Migration
from ..settings.reach import open_fleet
from ..settings.settings import Settings
from .followed_unit import FollowedUnit, WorkState, open_app_node

MIGRATION_UNIT = FollowedUnit(
    "runbook-migrate",
    "migration",
    "it changes all tables, so nothing was done",
    "fab deploy",
)

UNIT_FILE = f"/run/systemd/system/{MIGRATION_UNIT.name}.service"
"""The unit's file: gone after a restart of the host."""

LOCK_SECONDS = 10.0
"""A migration waits so long for the lock that a migration by hand may hold."""

HEALER = "runbook-healer.service"


@dataclass(frozen=True)
class RunMigration:
    """Command that runs the migration of a release on an app node, or follows one that runs there.

    Attributes:
        settings: the site.
        rule: how the program migrates.
        release: the id of the release.
        preparation: what makes the app node ready.
        folder: the folder on the app node with the files that only the migration sees.
        stops: whether the app is stopped on all nodes first.
    """

    settings: Settings
    rule: Migration
    release: str
    preparation: tuple[Step, ...] = field(default=(), repr=False)
    folder: str = ""
    stops: bool = False

    def show(self) -> str:
        """The migration, as a plan shows it."""
        return f"{self.settings.program.name} {' '.join(self.rule.command)}"

    def execute(self, link: Link, progress: Progress) -> None:
        """Run the migration to its end.

        Raises:
            RunbookError: it failed (the message quotes the end of its output), another release's
            migration still runs, or somebody else migrates.
        """
        with open_app_node(self.settings) as node:
            state, release = self._read_unit(node)
            if state is WorkState.FINISHED and release == self.release:
                return  # The run that started it was killed before it set the mark.
            if state is WorkState.RUNNING and release != self.release:
                raise RunbookError(
                    f"{node.name}: the migration of release {release} still runs",
                    "two migrations at once would harm each other",
                    f"on {node.name}: journalctl -fu {MIGRATION_UNIT.name}; then fab deploy",
                )
            with self._hold_lock(link):
                if state is not WorkState.RUNNING:
                    self._start(node, progress)
                self._follow(node, progress)

    def _read_unit(self, node: Link) -> tuple[WorkState, str]:
        """The state of the unit, and the release that it is for."""
        description = f"systemctl show -P Description {MIGRATION_UNIT.name}.service"
        seen, described = node.read([MIGRATION_UNIT.state_probe(), description])
        return MIGRATION_UNIT.parse_state(node.name, seen), described.out.strip().split(" ")[-1]

    @contextmanager
    def _hold_lock(self, link: Link) -> Iterator[None]:
        """Keep away others who take the same lock, if two migrations at once would harm each
        other. The deploy's own lock does not keep away a person with a shell."""
        from ..engine.postgres import connect_database

        if not self.rule.alone:
            yield
            return
        with connect_database(link, self.settings.database.name) as connection:

            def has_lock() -> bool:
                row = connection.execute(TRY_LOCK).fetchone()
                return bool(row and row[0])

            if not wait_until(has_lock, seconds=LOCK_SECONDS, every=0.5):
                raise RunbookError(
                    f"{link.name}: another session holds the lock of migrations",
                    "two migrations at once would harm each other",
                    "inv db.status; then again",
                )
            yield

    def _start(self, node: Link, progress: Progress) -> None:
        """Make the node ready, and start the unit."""
        node.run(discard_script(self.folder))
        for step in self.preparation:
            change = step.decide(node.read([step.probe()])[0])
            for command in change.commands if change else ():
                progress(change.sentence if change else "")
                command.execute(node, progress)
        if self.stops:
            progress("stop the app on all nodes")
            run_on_app_nodes(self.settings, STOP)
        # A process that cannot be started is seen by the state of the unit.
        node.run(f"systemctl daemon-reload\nsystemctl start {MIGRATION_UNIT.name}.service || true")

    def _follow(self, node: Link, progress: Progress) -> None:
        last_line = f"journalctl -u {MIGRATION_UNIT.name} -n 1 -o cat --no-pager"
        state = WorkState.RUNNING

        def has_ended() -> bool:
            nonlocal state
            seen, line = node.read([MIGRATION_UNIT.state_probe(), last_line])
            state = MIGRATION_UNIT.parse_state(node.name, seen)
            progress(f"migration: {line.out.strip()[:70] or 'runs'}")
            return state is not WorkState.RUNNING

        # systemd ends it after rule.seconds; the rest is for its end.
        wait_until(has_ended, seconds=self.rule.seconds + 30, every=0.5)
        if state is not WorkState.FINISHED:
            raise self._explain_failure(node, state)

    def _explain_failure(self, node: Link, state: WorkState) -> RunbookError:
        """Stop the unit, start an app that was stopped, and return the error."""
        result, output = MIGRATION_UNIT.read_end(node)
        node.run(discard_script(self.folder))
        if self.stops:
            run_on_app_nodes(self.settings, START)
        outcome = "does not end" if state is WorkState.RUNNING else f"ended with «{result}»"
        return RunbookError(
            f"{node.name}: the migration for release {self.release} {outcome}:"
            f" {output or 'it printed nothing'}",
            "nothing was rolled out: the release before serves on",
            f"on {node.name}: journalctl -u {MIGRATION_UNIT.name}; then fab deploy",
        )


TRY_LOCK = "SELECT pg_try_advisory_lock(hashtext('runbook.migrate'))"

STOP = f"systemctl stop {HEALER} 2>/dev/null\nsystemctl stop {{unit}} 2>/dev/null; true"
"""Script that stops the app; the healer first, for it would start the app again."""
START = f"systemctl start {{unit}}; systemctl start {HEALER}; true"


def run_on_app_nodes(settings: Settings, script: str) -> None:
    """Run STOP or START on all app nodes at once.

    Raises:
        RunbookError: a node does not answer.
    """
    text = script.format(unit=q(app_unit(settings)))
    with open_fleet(settings, settings.inventory.having("app")) as fleet:
        raise_first(fleet.each(lambda node: fleet.link(node).run(text).code))


def discard_script(folder: str) -> str:
    """Script that stops the unit and removes it, and `folder` with the files that only it sees.

    Where the program has no file yet, systemd made an empty one as the place for our copy. It is
    removed too: discovery and the app would take it for the configuration.
    """
    places = f"sed -n 's/^BindReadOnlyPaths=[^:]*://p' {UNIT_FILE} 2>/dev/null"
    return (
        f"{MIGRATION_UNIT.stop_script()}{places} | while read -r place; do\n"
        f'  [ -s "$place" ] || rm -f "$place"\ndone\nrm -rf {UNIT_FILE} {q(folder)}\n'
    )


@dataclass(frozen=True)
class DiscardMigration:
    """Command that removes the unit of a migration and its files: they hold secrets."""

    settings: Settings
    folder: str

    def show(self) -> str:
        """What is removed."""
        return f"rm -rf {UNIT_FILE} {self.folder}"

    def execute(self, link: Link, progress: Progress) -> None:
        """Remove them on the app node."""
        with open_app_node(self.settings) as node:
            node.run(f"{discard_script(self.folder)}systemctl daemon-reload")
