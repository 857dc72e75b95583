"""A service file is read, or refused with file, key, what was seen and what fits."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from shop_service import added, changed, write_shop

from fabfile.engine.errors import RunbookError
from fabfile.settings.service_file import read_service


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A service folder that is right."""
    return write_shop(tmp_path)


def test_a_right_file_is_read(folder: Path) -> None:
    service = read_service(folder)
    assert (service.title, service.values["item"].last) == ("Shop", 9)


WRONG: list[tuple[str, str, str]] = [
    ("[start]", "[strat]", "strat is not a key; did you mean start?"),
    ('name = "shop"', "", "program.name is missing"),
    ('title = "Shop"', "title = 3", "title must be a text, not 3"),
    ("peak = 100", 'peak = "many"', "load.peak must be a number, not 'many'"),
    (
        *added('[[endpoint]]\nname = "x"\npath = "/x"\ntimeout = "2s"'),
        "endpoint[3].timeout of x must be a whole number, not '2s'",
    ),
    (
        *added('[[endpoint]]\nname = "x"\npath = "/x"\ntimout = 2'),
        "endpoint[3].timout of x is not a key; did you mean timeout?",
    ),
    (
        "item = { from",
        "item = { form = 1, from",
        "value.item.form is not a key; did you mean from?",
    ),
    ("[load]", '[nodes]\nstate = "both"\n[load]', "nodes.state must be none, cache or own"),
    ('name = "shop"', 'name = "My Shop"', "program.name must be a name of small letters, digits,"),
    (
        'template = "shop.conf"',
        'template = "../x"',
        "file[0].template of main must be a file beside",
    ),
    (
        'path = "/items/{item}"',
        'path = "/items/{item}"\nretry = "any"',
        "endpoint[2].retry of item must be connect or lost, then statuses, like `lost 500 502`",
    ),
    ("[201]", "[2010]", "endpoint[1].expect.status of item_new must be from 100 to 599, not 2010"),
    ("[201]", "201", "endpoint[1].expect.status of item_new must be a list like [200], not 201"),
    ("token = {}", '"to ken" = {}', "secret must be a word of small letters, digits"),
    ("format = 1", 'format = "1"', "format must be a whole number, not '1'"),
]


@pytest.mark.parametrize(("old", "new", "said"), WRONG, ids=[said[:40] for *_, said in WRONG])
def test_a_wrong_key_is_named(folder: Path, old: str, new: str, said: str) -> None:
    path = folder / "service.toml"
    path.write_text(changed(old, new))
    with pytest.raises(RunbookError, match=re.escape(f"{path}: {said}")) as error:
        read_service(folder)
    assert error.value.next == f"edit {path}; docs/service-file.md explains every key"


def test_a_newer_format_is_refused_before_anything_else(folder: Path) -> None:
    path = folder / "service.toml"
    path.write_text('format = 2\nprogramme = "x"\n')
    with pytest.raises(RunbookError, match=r"format must be at most 1, not 2") as error:
        read_service(folder)
    assert "newer runbook" in error.value.why
    assert "git pull" in error.value.next


def test_a_file_that_is_none(folder: Path) -> None:
    path = folder / "service.toml"
    path.write_text("format = = 1")
    with pytest.raises(RunbookError, match=r"service\.toml: .*line 1"):
        read_service(folder)
    path.unlink()
    with pytest.raises(RunbookError, match=r"the service file .* does not exist") as error:
        read_service(folder)
    assert error.value.next == f"ls -d {folder.parent}/*/service.toml"
    path.mkdir()
    with pytest.raises(RunbookError, match="Is a directory"):
        read_service(folder)


SERVICES = Path(__file__).parent / "services"


def test_a_program_without_a_health_page_is_read() -> None:
    service = read_service(SERVICES / "awa")
    assert (service.health.live.body, service.start.graceful_stop) == ('"read_only":', False)
    assert (service.program.user, service.database and service.database.schemas) == (
        "jobs",
        ("awa",),
    )


def test_a_program_with_sessions_in_its_process_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunbookError, match=r"nodes\.sticky = .* is not supported yet") as error:
        read_service(SERVICES / "toolbox")
    assert error.value.why == "each request may go to another node than the one before"
    text = (SERVICES / "toolbox/service.toml").read_text()
    (tmp_path / "tools.yaml").write_text((SERVICES / "toolbox/tools.yaml").read_text())
    (tmp_path / "service.toml").write_text(re.sub("(?m)^sticky = .*", "", text))
    with pytest.raises(RunbookError, match='of events = "sse" is not supported yet'):
        read_service(tmp_path)
    whole = re.sub("(?m)^(sticky|stream) = .*", "", text)
    (tmp_path / "service.toml").write_text(whole)
    service = read_service(tmp_path)
    assert [one.name for one in service.endpoints if one.may_repeat] == ["item", "events"]
