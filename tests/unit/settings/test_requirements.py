"""docs/requirements.md and the values in the code say the same."""

from __future__ import annotations

import re

import pytest
from places import PROJECT
from samples import MINIFLUX, PROGRAM

from fabfile.drills.catalogue.register import DRILLS
from fabfile.settings.requirements import (
    Group,
    Requirement,
    list_requirements,
    requirement_places,
)
from fabfile.settings.service import Service

REQUIREMENTS = list_requirements(PROGRAM)
LINE = re.compile(r"^\| (R\d+) \| (.+?) \| (.+?) \|$", re.M)


def test_the_document_and_the_values_agree() -> None:
    document = LINE.findall((PROJECT / "docs" / "requirements.md").read_text())
    assert document == [(each.id, each.title, each.bound) for each in REQUIREMENTS]


@pytest.mark.parametrize("program", [PROGRAM, MINIFLUX], ids=lambda one: one.name)
def test_ids_are_unique_and_groups_are_not_interrupted(program: Service) -> None:
    found = list_requirements(program)
    assert len({each.id for each in found}) == len(found)
    places = [list(Group).index(each.group) for each in found]
    assert places == sorted(places)


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda each: each.id)
def test_a_bound_in_per_cent_is_the_share_that_is_judged(requirement: Requirement) -> None:
    for words in (requirement.bound, requirement.short_bound):
        if per_cent := re.search(r"(?:≤|limit:) (\d+) %", words):
            assert requirement.error_share == int(per_cent[1]) / 100


def test_order_comes_from_kinds_and_the_file_and_not_from_digits() -> None:
    assert list(requirement_places(PROGRAM)) == [f"R{number}" for number in range(1, 23)]
    found = requirement_places(MINIFLUX)
    answers = ["healthcheck", "entry", "feed", "categories", "entries_read", "bookmark"]
    assert list(found)[3:12] == [*answers, "entries", "category_new", "category_delete"]
    assert not {"import", "pages", "R16"} & set(found), "nothing asks for them"


def test_texts_of_an_endpoint_are_made_from_its_path_and_its_bounds() -> None:
    found = {each.id: each for each in list_requirements(MINIFLUX)}
    assert found["entry"].title == "`GET /v1/entries/{id}` never comes from a cache"
    assert found["entry"].bound == "p90 < 400 ms at 120/s, errors ≤ 1 %"
    assert found["bookmark"].title == "`PUT /v1/entries/{id}/bookmark` is answered right"
    assert found["category_new"].short_bound == "≤ 1 % errors"


def test_drills_speak_for_requirements_that_exist() -> None:
    known = {each.id for each in REQUIREMENTS}
    assert {id for drill in DRILLS for id in drill.requirements} <= known
