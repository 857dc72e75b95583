"""The program in one value, and that nothing else knows its calls."""

from __future__ import annotations

import json

import pytest
from places import PROJECT
from samples import PROGRAM

from fabfile.control.counters import backends_by_id
from fabfile.roles.backends import Backend, make_backend

FABFILE = PROJECT / "fabfile"
OWN_WORDS = (
    "/api/movie",
    "/api/customer",
    "/api/session",
    "db_dummy",
    "long_dummy",
    "feel bad",
)


@pytest.mark.parametrize("word", OWN_WORDS)
def test_only_the_settings_know_the_programs_calls(word: str) -> None:
    found = [
        str(path.relative_to(FABFILE))
        for path in FABFILE.rglob("*.py")
        if "settings" not in path.relative_to(FABFILE).parts and word in path.read_text()
    ]
    assert found == []


def test_each_requirement_has_one_endpoint_and_one_backend() -> None:
    named = [endpoint.requirement for endpoint in PROGRAM.endpoints if endpoint.requirement]
    assert list(PROGRAM.by_id) == sorted(named, key=lambda id: int(id[1:]))
    backends = backends_by_id(PROGRAM)
    assert list(backends) == [*(f"R{number}" for number in range(4, 14)), "R19"]
    assert len(set(backends.values())) == len(backends)


def test_backends_speak_haproxys_words() -> None:
    made = {endpoint.name: make_backend(PROGRAM, endpoint) for endpoint in PROGRAM.endpoints}
    lost = "conn-failure empty-response"
    assert made["long_dummy"] == Backend(
        "ep_long_dummy",
        "/long_dummy",
        timeout="15s",
        retry=f"{lost} 500 502",
        slow=7500,
        keep=55,
    )
    assert made["operation"] == Backend(
        "ep_operation", "/operation", retry="conn-failure", slow=400
    )
    assert made["session_delete"] == Backend(
        "ep_session_delete",
        "^/api/session/[0-9]+$",
        match="_reg",
        method="DELETE",
        database=True,
    )


def test_every_value_in_a_path_is_known() -> None:
    for endpoint in PROGRAM.endpoints:
        if endpoint.value:
            rule = PROGRAM.values[endpoint.value]
            assert rule.last > 0 or rule.created_by
            assert endpoint.path == f"{endpoint.prefix}{{{endpoint.value}}}"


def test_no_usual_operation_is_a_fault() -> None:
    poison = {
        json.loads(fault.request.body)["operation"] >> 32 for fault in PROGRAM.faults.values()
    }
    assert poison == {3, 4, 5}
    assert PROGRAM.values["small"].last < 1 << 32
