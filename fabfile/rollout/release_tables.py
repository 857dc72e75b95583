"""Whether a release can work on the tables of the database."""

from __future__ import annotations

from ..engine.errors import RunbookError
from ..engine.psql import answer, psql
from ..roles.migration import find_rule
from ..settings.reach import open_fleet
from ..settings.settings import Settings
from ..steps import marks
from ..steps.migration import Migrated, cut_off_error
from .system import System


def refuse_cut_off(settings: Settings, release: str) -> None:
    """Refuse to go to a release whose tables a later migration changed for good.

    Raises:
        RunbookError: there is no way back to `release`, or the database does not answer.
    """
    if find_rule(settings) is None:
        return
    node, database = settings.inventory.first_having("postgres"), settings.database.name
    with open_fleet(settings, [node], readonly=True) as fleet:
        [seen] = fleet.link(node).read([psql(database, marks.READ)])
    found = answer(seen, database)
    if found is None:
        return  # There is no database, so there are no tables.
    known, _ = marks.parse_marks(found, database)
    if later := known.cut_off_by(release):
        raise cut_off_error(release, later)


def refuse_unmigrated(system: System) -> None:
    """Refuse to roll out the release of `system` to app nodes alone if it must migrate first.

    Raises:
        RunbookError: it must, or the database does not answer.
    """
    settings = system.settings
    if find_rule(settings) is None:
        return
    node = settings.inventory.first_having("postgres")
    [step] = [one for one in system.steps(node, "migrate") if isinstance(one, Migrated)]
    with open_fleet(settings, [node], readonly=True) as fleet:
        change = step.decide(fleet.link(node).read([step.probe()])[0])
    if change:
        raise RunbookError(
            f"release {step.release} must migrate first, but {node.name} is left out",
            "the release cannot work on the tables of the release before",
            "fab deploy   (all hosts)",
        )
