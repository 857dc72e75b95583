"""The systemd unit in which the seeding runs on an app node: it outlives a lost connection, and
keeps its result."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from ..engine.command import Progress, Sql
from ..engine.errors import RunbookError
from ..engine.link import Link
from ..engine.shell import Reading
from ..engine.words import quoted
from ..settings.reach import host_address
from ..settings.settings import Settings

UNIT = "runbook-seed"


class Seeding(StrEnum):
    """How far the seeding's unit is."""

    ABSENT = "absent"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


def read_unit(node: Link) -> Seeding:
    """How far the seeding on `node` is; raises as `parse_unit`."""
    return parse_unit(
        node.name, node.read([f"systemctl show -p LoadState,SubState,Result {UNIT}.service"])[0]
    )


def parse_unit(host: str, seen: Reading) -> Seeding:
    """Pure: the unit in what `systemctl show` printed.

    Raises:
        RunbookError: it cannot be told; what follows empties the database or calls it complete, so
        nothing is guessed.
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
        f"{host}: the state of the seeding is not clear from {quoted(seen.out) or 'no answer'}",
        "seeding begins by emptying the database, so nothing was done",
        f"on {host}: systemctl status {UNIT}.service; when it has ended: inv db.seed",
    )


@contextmanager
def app_node(settings: Settings) -> Iterator[Link]:
    """The node where the binary seeds."""
    node = Link(host_address(settings, settings.inventory.one("app")))
    try:
        yield node
    finally:
        node.close()


def stop() -> str:
    """Script: the unit and its result are gone."""
    return (
        f"systemctl stop {UNIT}.service 2>/dev/null; systemctl reset-failed {UNIT}.service"
        " 2>/dev/null; true\n"
    )


@dataclass(frozen=True)
class Finish:
    """The database's mark says that it is seeded; only then the unit goes, which has kept its
    result until now."""

    settings: Settings
    mark: Sql

    def show(self) -> str:
        """The statement."""
        return self.mark.show()

    def execute(self, link: Link, progress: Progress) -> None:
        """Set the mark, then stop the unit."""
        self.mark.execute(link, progress)
        with app_node(self.settings) as node:
            node.run(stop())
