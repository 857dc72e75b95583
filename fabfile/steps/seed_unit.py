"""The transient systemd unit that seeds the database from an app node."""

from __future__ import annotations

from dataclasses import dataclass

from ..engine.command import Progress, Sql
from ..engine.link import Link
from ..settings.settings import Settings
from .followed_unit import FollowedUnit, open_app_node

SEED_UNIT = FollowedUnit(
    "runbook-seed",
    "seeding",
    "seeding drops all tables first, so nothing was done",
    "inv db.seed",
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
            node.run(SEED_UNIT.stop_script())
