"""Which hosts a task works on."""

from __future__ import annotations

import pytest

from fabfile.engine.errors import RunbookError
from fabfile.engine.host import Node
from fabfile.settings.inventory import Inventory

EDGE, ONE, TWO, DB = (
    Node("edge1", "10.0.0.1", ("edge",)),
    Node("node1", "10.0.0.2", ("app",)),
    Node("node2", "10.0.0.3", ("app", "edge")),
    Node("db1", "10.0.0.4", ("postgres",)),
)
ALL = Inventory((EDGE, ONE, TWO, DB))


@pytest.mark.parametrize(
    ("names", "roles", "chosen"),
    [
        ([], ("postgres", "app", "edge"), (EDGE, ONE, TWO, DB)),
        ([], ("app",), (ONE, TWO)),
        ([], ("edge", "postgres"), (EDGE, TWO, DB)),
        ([], (), ()),
        (["node2"], ("postgres",), (TWO,)),
        (["node2", "edge1"], ("app",), (TWO, EDGE)),
        (["node1", "node1"], ("app",), (ONE,)),
    ],
)
def test_select(names: list[str], roles: tuple[str, ...], chosen: tuple[Node, ...]) -> None:
    assert ALL.select(names, roles) == chosen


def test_unknown_names_are_all_named() -> None:
    with pytest.raises(RunbookError, match="there is no host called nod1, db") as error:
        ALL.select(["nod1", "node1", "db"])
    assert error.value.why == "the site file knows edge1, node1, node2, db1"
    assert error.value.next == "fab -H edge1,node1 status"


def test_one() -> None:
    assert ALL.first_having("app") == ONE
    with pytest.raises(RunbookError, match="no host has the role postgres"):
        Inventory((EDGE,)).first_having("postgres")
