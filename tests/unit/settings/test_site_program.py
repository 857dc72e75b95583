"""What a site file takes from the service file of its program."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs
from places import PROJECT
from samples import PROGRAM

from fabfile.settings.program import SettingRule
from fabfile.settings.service import Service
from fabfile.settings.site_file import load_settings
from fabfile.settings.site_program import (
    FROM_PROGRAM,
    fill_from_program,
    find_program_folder,
    find_wrong_settings,
)

SERVICE = """
format = 1
title = "Shop"
[program]
name = "shop"
[health]
live = { path = "/health" }
[start]
lifetime = 7
[limits]
rate = 0
[log]
to = "journal"
max_mb = 9
[setting.city]
default = "Rome"
"""
SITE = """
[ssh]
user = "ops"
[app]
binary = "shop"
sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
service = "programs/shop"
[hosts.node1]
address = "10.0.0.21"
roles = ["app", "edge"]
"""


def test_a_folder_beside_the_site_file_wins_over_the_project(tmp_path: Path) -> None:
    assert find_program_folder("services/bingo", tmp_path) == PROJECT / "services/bingo"
    (tmp_path / "services/bingo").mkdir(parents=True)
    assert find_program_folder("services/bingo", tmp_path) == tmp_path / "services/bingo"
    assert find_program_folder("/srv/shop", tmp_path) == Path("/srv/shop")


def test_a_site_outside_the_project_brings_its_program(tmp_path: Path) -> None:
    (tmp_path / "programs/shop").mkdir(parents=True)
    (tmp_path / "programs/shop/service.toml").write_text(SERVICE)
    (tmp_path / "site.toml").write_text(SITE)
    settings = load_settings(tmp_path / "site.toml")
    assert (settings.program.title, settings.program_folder) == ("Shop", tmp_path / "programs/shop")
    assert (settings.app.user, settings.app.lifetime, settings.edge.node_rate) == ("shop", 7, 0)
    assert settings.app.log_max_mb == 9
    assert settings.app.settings == {"city": "Rome"}
    # It has no database, so it needs no password.
    assert settings.password.reveal() == ""


def test_what_the_site_file_says_wins() -> None:
    filled = fill_from_program({"app": {"lifetime": 3}, "gate": 7}, PROGRAM)
    assert (filled["app"]["lifetime"], filled["app"]["user"]) == (3, "bingo")
    assert filled["gate"] == 7
    tables = {key.partition(".")[0] for key in FROM_PROGRAM}
    assert set(filled) == tables


def rules(**settings: SettingRule) -> Service:
    return structs.replace(PROGRAM, settings=settings)


@pytest.mark.parametrize(
    ("rule", "given", "wrong"),
    [
        (SettingRule(), {"x": "any"}, []),
        (SettingRule(), {}, [("x", "is missing: bingo needs a text")]),
        (
            SettingRule(pattern="[0-9]+", description="a number"),
            {"x": "7 "},
            [("x", "must be a number, not '7 '")],
        ),
        (
            SettingRule(default=""),
            {"x": "", "y": "1"},
            [("y", "is not a setting of bingo; known are x")],
        ),
    ],
)
def test_a_wrong_setting_is_named(
    rule: SettingRule, given: dict[str, str], wrong: list[tuple[str, str]]
) -> None:
    assert find_wrong_settings(given, rules(x=rule)) == wrong


def test_a_program_without_settings_says_so() -> None:
    wrong = find_wrong_settings({"x": ""}, rules())
    assert wrong == [("x", "is not a setting of bingo; known are none")]
