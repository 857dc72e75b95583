"""Settings of a site for a program that has no service file yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from fabfile.engine.errors import RunbookError
from fabfile.settings.new_program import load_new_program

SITE = """
[ssh]
user = "ops"
[hosts.node1]
address = "192.0.2.21"
roles = ["app"]
[app]
binary = "feeds"
sha256 = "5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e"
user = "shop"
lifetime = 480
[app.settings]
email = "of@another.program"
"""
DATABASE = """
[hosts.db1]
address = "192.0.2.31"
roles = ["postgres"]
[database]
password_file = "secret"
name = "shop"
user = "shop"
"""


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "site.toml"
    file.write_text(SITE)
    monkeypatch.setenv("SITE", str(file))
    monkeypatch.delenv("DB_PASSWORD", raising=False)
    return file


def test_the_folder_names_the_program(site: Path) -> None:
    settings = load_new_program("services/feeds")
    assert settings.program_folder == site.parent / "services/feeds"
    assert (settings.program.name, settings.app.user) == ("feeds", "feeds")
    assert (settings.app.settings, settings.app.lifetime) == ({}, 0)
    assert settings.program.database is None
    site.write_text(SITE + DATABASE)
    with_database = load_new_program("services/feeds")
    assert with_database.program.database
    assert (with_database.database.name, with_database.database.user) == ("feeds", "feeds")
    assert with_database.password.reveal()


def test_a_folder_that_exists_is_never_touched(site: Path) -> None:
    folder = site.parent / "services/feeds"
    folder.mkdir(parents=True)
    with pytest.raises(RunbookError, match="feeds exists already") as caught:
        load_new_program("services/feeds")
    assert caught.value.next.startswith(f"edit {folder}/service.toml")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["Feeds", "9lives", "with blank", "a" * 40])
def test_a_name_that_no_account_can_have(name: str) -> None:
    with pytest.raises(RunbookError, match="cannot name a program"):
        load_new_program(f"services/{name}")
