"""The templates and other texts of a service file name variables that exist, and open no secret."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from shop_service import changed, make, write_shop

from fabfile.engine.errors import RunbookError
from fabfile.settings.service_file import read_service
from fabfile.settings.service_texts import find_wrong_texts, known_variables, list_variables


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A service folder that is right."""
    return write_shop(tmp_path)


@pytest.mark.parametrize(
    ("template", "mode", "problem"),
    [
        (
            "a\n{{ database.ulr }}",
            "0640",
            "line 2: there is no variable database.ulr; did you mean url?",
        ),
        (
            "{{ databse.url }}",
            "0640",
            "line 1: there is no variable databse.url; did you mean database?",
        ),
        ("{{ secret.tokn }}", "0640", "there is no variable secret.tokn; did you mean token?"),
        ("{{ city }}", "0640", "there is no variable city; known are database, "),
        ("{% if x", "0640", "shop.conf, line 1: "),
        ("{{ secret.token }}", "0644", "line 1: holds secret.token, but file[0].mode is 0644"),
        ("{{ database.url }}", "0644", "holds database.url, but"),
        ('{{ secret["token"] }}', "0644", "holds secret.token, but"),
        ("{{ setting.city }} {{ site.name }}", "0644", ""),
        (
            "{% for host in database_hosts %}{{ host.address }}{{ loop.index }}{% endfor %}",
            "0644",
            "",
        ),
        ("{{ database_hosts[0].address }}{% set x = 3 %}{{ x }}{{ range(3) | list }}", "0644", ""),
    ],
)
def test_templates(folder: Path, template: str, mode: str, problem: str) -> None:
    (folder / "shop.conf").write_text(template)
    mark = 'template = "shop.conf"'
    (folder / "service.toml").write_text(changed(mark, f'{mark}\nmode = "{mode}"'))
    if not problem:
        assert read_service(folder).files[0].mode == mode
        return
    with pytest.raises(RunbookError, match=re.escape(problem)):
        read_service(folder)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "{{ file.main }}",
            "{{ file.mian }}",
            "start.command[1], line 1: there is no variable file.mian; did you mean main",
        ),
        (
            "{{ file.main }}",
            "{{ secret.token }}",
            "start.command[1], line 1: holds secret.token, but arguments are seen by",
        ),
        (
            "[start]",
            '[start.environment]\nTOKEN = "{{ secret.tok }}"\n[start]',
            "start.environment.TOKEN, line 1: there is no variable secret.tok",
        ),
        ('sql = "seed.sql"', 'sql = "sed.sql"', "database.seed.sql names "),
        ('template = "shop.conf"', 'template = "shp.conf"', "file[0].template of main names "),
    ],
)
def test_other_texts(folder: Path, old: str, new: str, problem: str) -> None:
    (folder / "service.toml").write_text(changed(old, new))
    with pytest.raises(RunbookError, match=re.escape(problem)):
        read_service(folder)


def test_variables_are_listed_with_their_lines() -> None:
    found = list(list_variables("{{ a.b }}\n\n{% if c %}{{ d['e'].f }}{% endif %}"))
    assert [(one.text, one.line) for one in found] == [("a.b", 1), ("d.e", 3), ("c", 3)]


def test_without_a_database_its_variables_do_not_exist(folder: Path) -> None:
    (folder / "shop.conf").write_text("{{ database.url }}")
    service = make(changed('[database]\nconnections = 20\n[database.seed]\nsql = "seed.sql"', ""))
    assert "database" not in known_variables(service)
    (refusal, *_) = find_wrong_texts(service, folder)
    assert "there is no variable database.url" in refusal.problem
