"""Drills that need what a program does not have are not tried, and say why."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest
from other_sites import BARE, FEEDS, site_of

from fabfile.drills.catalogue.register import BY_NAME
from fabfile.drills.errors import NotPossible
from fabfile.drills.model import Observation
from fabfile.drills.observer import EdgeSnapshot, Snapshot
from fabfile.drills.rules import never_too_old, no_database_needed
from fabfile.drills.target import DrillTarget
from fabfile.engine.fleet import Fleet
from fabfile.settings.service import Service


def target_of(program: Service) -> DrillTarget:
    up = EdgeSnapshot(serves=True, nodes={"node1": "UP", "node2": "UP"})
    snapshot = Snapshot({"edge1": up}, {})
    return DrillTarget(site_of(program), cast("Fleet", None), snapshot)


@pytest.mark.parametrize(
    ("program", "name", "why"),
    [
        (FEEDS, "app-500", "[fault.ill]"),
        (FEEDS, "app-leak", "[fault.leak]"),
        (FEEDS, "app-panic", "[fault.panic]"),
        (FEEDS, "both-ill", "[fault.ill]"),
        (FEEDS, "refresher-dead", "no refresher"),
        (BARE, "db-restarted", "[database]"),
        (BARE, "db-killed", "[database]"),
        (BARE, "db-exhausted", "[database]"),
        (BARE, "db-starved", "[database]"),
    ],
)
def test_a_drill_without_its_object_is_not_tried(program: Service, name: str, why: str) -> None:
    with pytest.raises(NotPossible) as refused:
        BY_NAME[name].fault(target_of(program))
    assert why in f"{refused.value.problem}: {refused.value.why}"
    assert program.title in refused.value.problem or "of this service" in refused.value.problem


RULES: list[Callable[[Observation], object]] = [never_too_old, no_database_needed]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_about_nothing_holds(rule: Callable[[Observation], object]) -> None:
    assert rule(Observation(BARE, [], 0.0)).held  # type: ignore[attr-defined]
