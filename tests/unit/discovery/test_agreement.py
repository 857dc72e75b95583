"""What discovery found and what the service file says must agree; what the kept facts depend on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec.structs import replace as alter
from samples import FACTS, PROGRAM, site

from fabfile.discovery.agreement import find_disagreement
from fabfile.discovery.model import Destination, Discovery, Hints
from fabfile.discovery.store import facts_key, facts_step
from fabfile.settings.program import Listen, Start
from fabfile.settings.settings import Settings


def site_with(start: Start, listen: Listen | None = None) -> Settings:
    program = alter(PROGRAM, start=start, listen=listen)
    return replace(site(), program=program, program_folder=Path("/site/services/film"))


CASES = [
    (
        site_with(Start()),
        Discovery(FACTS, (), hints=Hints(environment={"LISTEN": "0.0.0.0:{{ listen.port }}"})),
        'write environment.LISTEN = "0.0.0.0:{{ listen.port }}" into [start]',
    ),
    (
        site_with(Start()),
        Discovery(replace(FACTS, started_in="/var/lib/film"), ()),
        'write directory = "/var/lib/film" into [start]',
    ),
    (
        site_with(Start(command=("serve",))),
        Discovery(FACTS, (), hints=Hints(added_args=("--host", "0.0.0.0"))),
        'write command = ["serve", "--host", "0.0.0.0"] into [start]',
    ),
    (
        site_with(Start(), Listen(port=8080)),
        Discovery(FACTS, ()),
        "write port = 17000 into [listen]",
    ),
]


@pytest.mark.parametrize(("settings", "found", "line"), CASES)
def test_a_service_file_that_lacks_something_is_refused(
    settings: Settings, found: Discovery, line: str
) -> None:
    error = find_disagreement(settings, found)
    assert error
    assert error.next == f"{line} of /site/services/film/service.toml"
    assert error.problem.startswith("/site/services/film/service.toml: ")


def test_a_service_file_that_says_what_was_found_is_right() -> None:
    start = Start(environment={"LISTEN": "x"}, directory="/var/lib/film")
    facts = replace(FACTS, started_in="/var/lib/film")
    found = Discovery(facts, (), hints=Hints(environment={"LISTEN": "y"}, added_args=("--x",)))
    assert find_disagreement(site_with(start, Listen(port=17000)), found) is None
    local = replace(FACTS, ports=(Destination("127.0.0.1", 6060), Destination("::", 17000)))
    assert local.port == 17000
    assert find_disagreement(site_with(Start(), Listen(port=6060)), Discovery(local, ()))


def test_the_facts_depend_on_how_the_program_is_started() -> None:
    keys = {
        facts_key(settings)
        for settings in (
            site_with(Start()),
            site_with(Start(environment={"A": "1"})),
            site_with(Start(command=("serve",))),
            site_with(Start(), Listen(port=80)),
        )
    }
    assert len(keys) == 4
    assert facts_key(site_with(Start(memory_max="1G"))) in keys


def test_facts_that_a_program_lacks_are_not_in_its_file() -> None:
    kept = json.loads(facts_step(site(), FACTS).content)  # type: ignore[attr-defined]
    assert not {"migrate_command", "started_in"} & set(kept["facts"])
    moved = replace(FACTS, migrate_command=("-migrate",), started_in="/srv/x")
    kept = json.loads(facts_step(site(), moved).content)  # type: ignore[attr-defined]
    assert kept["facts"]["migrate_command"] == ["-migrate"]
    assert kept["facts"]["started_in"] == "/srv/x"
