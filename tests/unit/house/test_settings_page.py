"""The reference of the settings and the example site file hold exactly the settings of the code."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields

import pytest
from places import PROJECT

from docs.generate_settings import (
    PAGE,
    TABLES,
    read_field_docs,
    render_settings,
    setting_names,
)

EXAMPLE = PROJECT / "site.example.toml"


def test_the_reference_is_what_the_code_says() -> None:
    assert PAGE.read_text() == render_settings(), "run: python -m docs.generate_settings"


@pytest.mark.parametrize("table", TABLES)
def test_every_setting_has_a_docstring(table: str) -> None:
    docs = read_field_docs(TABLES[table])
    assert [spec.name for spec in fields(TABLES[table]) if not docs.get(spec.name)] == []


def example_with_every_key() -> str:
    """The example file with the commented settings switched on."""
    return re.sub(r"(?m)^# (\w+ = )", r"\1", EXAMPLE.read_text())


def test_the_example_has_every_setting_and_no_other() -> None:
    found = set()
    for key, value in tomllib.loads(example_with_every_key()).items():
        if key == "hosts":
            for host in value.values():
                found |= {f"hosts.NAME.{name}" for name in host.keys() - {"ssh"}}
                found |= {f"hosts.NAME.ssh.{name}" for name in host.get("ssh", {})}
        elif isinstance(value, dict):
            found |= {f"{key}.{name}" for name in value}
            for name, inner in value.items():
                if isinstance(inner, dict) and name != "settings":  # those of one program
                    found |= {f"{key}.{name}.{part}" for part in inner}
        else:
            found.add(key)
    assert found == set(setting_names())
