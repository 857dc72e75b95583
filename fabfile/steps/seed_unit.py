"""The transient systemd unit that seeds the database from an app node. It survives a lost
connection and keeps its result."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from ..engine.command import Progress, Sql
from ..engine.errors import RunbookError
from ..engine.link import Link
from ..engine.messages import quote_output
from ..engine.shell import Reading
from ..settings.reach import host_address
from ..settings.settings import Settings

UNIT = "runbook-seed"


class Seeding(StrEnum):
    """The state of the seeding unit."""

    ABSENT = "absent"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


def read_seeding(node: Link) -> Seeding:
    """The state of the seeding unit on `node`; raises as `parse_seeding`."""
    return parse_seeding(
        node.name, node.read([f"systemctl show -p LoadState,SubState,Result {UNIT}.service"])[0]
    )


def parse_seeding(host: str, seen: Reading) -> Seeding:
    """Pure: the state of the unit from the output of `systemctl show`.

    Raises:
        RunbookError: the output is not clear. The caller then drops all tables or marks the
        database as complete, so a guess is not allowed.
    """
    state = dict(line.split("=", 1) for line in seen.out.splitlines() if "=" in line)
    found = state.get("LoadState"), state.get("SubState"), state.get("Result")
    match found:
        case _ if seen.code != 0 or None in found:
            pass
        case "loaded", "start" | "start-pre" | "start-post" | "running", _:
            return Seeding.RUNNING
        case "loaded", "exited", "success":
            return Seeding.FINISHED
        case "loaded", "failed", _:
            return Seeding.FAILED
        case "not-found" | "loaded", "dead", _:
            return Seeding.ABSENT
    raise RunbookError(
        f"{host}: the state of the seeding is not clear from"
        f" {quote_output(seen.out) or 'no answer'}",
        "seeding drops all tables first, so nothing was done",
        f"on {host}: systemctl status {UNIT}.service; when it has ended: inv db.seed",
    )


@contextmanager
def open_app_node(settings: Settings) -> Iterator[Link]:
    """A connection to the app node that seeds: the first one of the site file."""
    node = Link(host_address(settings, settings.inventory.first_having("app")))
    try:
        yield node
    finally:
        node.close()


def stop_script() -> str:
    """Script that stops the seeding unit and discards its result."""
    return (
        f"systemctl stop {UNIT}.service 2>/dev/null; systemctl reset-failed {UNIT}.service"
        " 2>/dev/null; true\n"
    )


@dataclass(frozen=True)
class MarkSeeded:
    """Command that marks the database as seeded, and then stops the seeding unit.

    The unit is stopped last: until the mark is set, only the unit knows that the seeding succeeded.
    """

    settings: Settings
    mark: Sql

    def show(self) -> str:
        """The statement that sets the mark."""
        return self.mark.show()

    def execute(self, link: Link, progress: Progress) -> None:
        """Set the mark, then stop the unit."""
        self.mark.execute(link, progress)
        with open_app_node(self.settings) as node:
            node.run(stop_script())
