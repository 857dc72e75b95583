"""docs/requirements.md and the values in the code say the same."""

from __future__ import annotations

import re

import pytest
from places import PROJECT

from fabfile.drills.catalogue.register import DRILLS
from fabfile.settings.requirements import (
    REQUIREMENTS,
    Group,
    Requirement,
    requirement_place,
    requirements_of,
)

LINE = re.compile(r"^\| (R\d+) \| (.+?) \| (.+?) \|$", re.M)


def test_the_document_and_the_values_agree() -> None:
    document = LINE.findall((PROJECT / "docs" / "requirements.md").read_text())
    assert document == [(each.id, each.title, each.bound) for each in REQUIREMENTS]


def test_ids_are_unique_and_groups_are_not_interrupted() -> None:
    assert len({each.id for each in REQUIREMENTS}) == len(REQUIREMENTS)
    assert requirements_of(*Group) == REQUIREMENTS
    places = [list(Group).index(each.group) for each in REQUIREMENTS]
    assert places == sorted(places)


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda each: each.id)
def test_a_bound_in_per_cent_is_the_share_that_is_judged(requirement: Requirement) -> None:
    for words in (requirement.bound, requirement.short_bound):
        if per_cent := re.search(r"(?:≤|limit:) (\d+) %", words):
            assert requirement.error_share == int(per_cent[1]) / 100


def test_ten_comes_after_nine_and_an_unknown_id_last() -> None:
    assert sorted(["R10", "R99", "R9", "R4"], key=requirement_place) == ["R4", "R9", "R10", "R99"]


def test_drills_speak_for_requirements_that_exist() -> None:
    known = {each.id for each in REQUIREMENTS}
    assert {id for drill in DRILLS for id in drill.requirements} <= known
