"""The reference of the service file holds exactly the keys of the code."""

from __future__ import annotations

import tomllib

import pytest
from msgspec import structs
from places import PROJECT
from samples import PROGRAM

from docs.generate_service_file import PAGE, Section, list_sections, render_service_file
from docs.reference import read_field_docs
from fabfile.settings.service_texts import VARIABLES, known_variables

SECTIONS = list_sections()


def test_the_reference_is_what_the_code_says() -> None:
    assert PAGE.read_text() == render_service_file(), "run: python -m docs.generate_service_file"


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.key or "top")
def test_every_key_has_a_docstring(section: Section) -> None:
    docs = read_field_docs(section.kind)
    assert [spec.name for spec in structs.fields(section.kind) if not docs.get(spec.name)] == []


def test_every_table_of_a_service_is_on_the_page() -> None:
    keys = {section.key for section in SECTIONS}
    found = set()
    for name in ("bingo", "miniflux", "ntfy"):
        data = tomllib.loads((PROJECT / "services" / name / "service.toml").read_text())
        found |= {key for key, value in data.items() if isinstance(value, dict | list)}
    assert len(found) > 10
    assert found <= {key.partition(".")[0] for key in keys}


def test_the_page_names_the_variables_that_templates_may_use() -> None:
    known = known_variables(PROGRAM)
    assert {group: known[group] for group in VARIABLES} == {
        group: frozenset(names) for group, names in VARIABLES.items()
    }
    assert set(known) - set(VARIABLES) == {"secret", "file", "setting", "database_hosts"}
