"""Settings in effect: what the server says it uses → which of ours are overruled, by what, and
what to type."""

from __future__ import annotations

from typing import Any

import pytest
from samples import NODES, site

from fabfile.engine.errors import RunbookError
from fabfile.engine.psql import REFUSED, answer
from fabfile.engine.shell import Reading
from fabfile.health.database import judge_database
from fabfile.roles import postgres
from fabfile.roles.postgres_view import Cause, find_overruled, merge_not_read, same_value

AUTO = "/var/lib/postgresql/17/main/postgresql.auto.conf"
OURS = "/etc/postgresql/17/main/conf.d/50-runbook.conf"
MAIN = "/etc/postgresql/17/main/postgresql.conf"


def fact(**changes: Any) -> dict[str, Any]:
    """What the server says of work_mem when all is well, with changes."""
    well = {
        "setting": "work_mem",
        "used": "16384",
        "shown": "16MB",
        "unit": "kB",
        "source": "configuration file",
        "restart": False,
        "text": "16MB",
        "file": OURS,
        "line": 8,
        "read": True,
    }
    return {**well, **changes}


@pytest.mark.parametrize(
    ("wanted", "used", "unit", "same"),
    [
        ("512MB", "65536", "8kB", True),
        ("1GB", "1024", "MB", True),
        ("16MB", "16385", "kB", False),
        ("16384", "16384", "kB", True),
        ("1s", "1000", "ms", True),
        ("-1", "-1", "ms", True),
        ("1min", "61", "s", False),
        ("1.1", "1.10", None, True),
        ("on", "on", None, True),
        ("true", "on", None, True),
        ("off", "on", None, False),
        ("127.0.0.1, 192.0.2.1", "127.0.0.1,192.0.2.1", None, True),
        ("127.0.0.1, 192.0.2.1", "localhost", None, False),
        ("200", "200", None, True),
        ("nonsense", "16384", "kB", False),
    ],
)
def test_values_are_compared_by_what_they_mean(
    wanted: str, used: str, unit: str | None, same: bool
) -> None:
    assert same_value(wanted, used, unit) is same


@pytest.mark.parametrize(
    ("changes", "cause", "says"),
    [
        ({}, None, ""),
        ({"file": AUTO, "line": 3, "text": "16384kB"}, None, ""),  # says the same
        (
            {"used": "1024", "shown": "1MB", "text": "1MB", "file": AUTO, "line": 3},
            Cause.RESETTABLE,
            f"{AUTO}:3 overrules",
        ),
        (
            {"text": "1MB", "file": AUTO, "line": 3},
            Cause.RESETTABLE,
            "will use, once restarted or reloaded, work_mem = '1MB'",
        ),
        (
            {"used": "1024", "text": "1MB", "file": "/x/conf.d/99.conf", "line": 1},
            Cause.OTHER_FILE,
            "/x/conf.d/99.conf:1",
        ),
        (
            {"used": "1024", "text": "1MB", "file": MAIN, "line": 900},
            Cause.OTHER_FILE,
            f"{MAIN}:900 overrules",
        ),
        (
            {"used": "1024", "file": MAIN, "line": 66, "read": False},
            Cause.NOT_READ,
            "does not include our file",
        ),
        (
            {"used": "1024", "file": None, "line": None, "read": False, "source": "default"},
            Cause.NOT_READ,
            "include",
        ),
        # Our file was taken out, and nobody has restarted the server since.
        (
            {"text": None, "file": None, "line": None, "read": False},
            Cause.NOT_READ,
            "will use, once restarted or reloaded",
        ),
        ({"used": "1024"}, Cause.STALE, "a reload is missing"),
        ({"used": "1024", "restart": True}, Cause.STALE, "a restart is missing"),
        ({"used": "1024", "source": "command line"}, Cause.AT_START, "comes from the command line"),
        ({"used": "1024", "source": "user"}, None, ""),  # the asking role's own
        (
            {"role_value": "64kB", "reset": "ALTER ROLE bingo RESET work_mem"},
            Cause.RESETTABLE,
            "work_mem = '64kB' instead of '16MB': ALTER ROLE bingo overrules",
        ),
    ],
)
def test_what_overrules_a_setting(changes: dict[str, Any], cause: Cause | None, says: str) -> None:
    found = find_overruled({"work_mem": "16MB"}, [fact(**changes)])
    assert [one.cause for one in found] == ([cause] if cause else [])
    for one in found:
        assert says in str(one)
        assert one.remedy("postgresql@17-main.service")
        assert bool(one.reset) is (cause is Cause.RESETTABLE)


def test_a_file_that_is_not_read_is_one_problem_headed_by_what_keeps_users_out() -> None:
    unread = {"used": "1", "unit": None, "read": False, "file": MAIN}
    facts = [fact(setting=name, **unread) for name in ("jit", "listen_addresses", "port")]
    (one,) = merge_not_read(
        find_overruled({"jit": "off", "listen_addresses": "192.0.2.1", "port": "5432"}, facts)
    )
    assert "listen_addresses = '16MB' instead of '192.0.2.1' (and 2 more settings)" in str(one)


# -- what the health check makes of it

DB1 = NODES[-1]
WAIT = '{"waiting": 2, "longest": 9}'
HOLDER = """{"session": 77, "user": "anna", "application": "", "client": "192.0.2.9",
 "state": "idle in transaction", "state_since": "A", "query_since": "B", "transaction_since": "C",
 "seconds": 60, "query": "UPDATE x", "locked": null, "waiting": 2}""".replace("\n", "")
FREE = '{"connections": 9, "most": 197, "own": 2, "own_most": 190}'


@pytest.mark.parametrize(
    ("out", "code", "says"),
    [
        ('{"encoding": "UTF8"}\n1\n1\n', 0, []),
        ("closed\n" + FREE, 0, ["does not take connections at 192.0.2.31 port 5432"]),
        (
            f"{WAIT}\n{HOLDER}",
            0,
            [
                "2 sessions of the database must wait for a lock, for up to 9 s: session 77 (anna,"
                " no name, from 192.0.2.9)"
            ],
        ),
        (WAIT.replace("9", "1"), 0, []),
        (
            FREE.replace('"connections": 9', '"connections": 195'),
            0,
            ["195 of PostgreSQL's 197 connections are used"],
        ),
        (
            FREE.replace('"own": 2', '"own": 190'),
            0,
            ["190 of the 190 connections of role bingo are used"],
        ),
        (
            '{"pending": "wal_level"}',
            0,
            ["wal_level takes effect only after a restart of Postgre"],
        ),
        (
            '{"broken": "syntax error", "file": "/x", "line": 3}',
            0,
            ["PostgreSQL cannot read /x:3: syntax error"],
        ),
        ('{"encoding": "SQL_ASCII"}', 0, ["database bingo is encoded in SQL_ASCII"]),
        (
            f"{FREE}\n{REFUSED} 3\nERROR:  42501: permission denied for table movies\n",
            3,
            ["permission denied for table movies"],
        ),
        (
            f"{REFUSED} 2\nFATAL: x\n" + '{"databases": ["postgres"]}',
            2,
            ["database bingo, its role or a table is missing"],
        ),
        ("", 1, ["psql ended with 1"]),
    ],
)
def test_the_health_of_the_database(out: str, code: int, says: list[str]) -> None:
    settings = site()
    problems = judge_database(
        postgres.wanted_settings(settings, DB1), settings, DB1, Reading(out, code)
    )
    assert len(problems) == len(says)
    for problem, text in zip(problems, says, strict=True):
        assert text in problem.message
        assert problem.next


@pytest.mark.parametrize("code", ["3D000", "42P01", "42704", "3F000"])
def test_what_does_not_exist_is_an_answer(code: str) -> None:
    assert (
        answer(Reading(f"{REFUSED} 3\npsql:<stdin>:1: ERROR:  {code}: none\nLOCATION: x", 3))
        is None
    )


def test_who_locks_what_is_told_with_the_command_that_ends_it() -> None:
    locked = HOLDER.replace("null", '"movies"')
    out = (
        f"{REFUSED} 3\nERROR:  55P03: canceling statement due to lock timeout\nLOCATION:"
        f" x\n{locked}\n"
    )
    with pytest.raises(RunbookError) as refusal:
        answer(Reading(out, 3))
    assert (
        "session 77 (anna, no name, from 192.0.2.9) has locked movies since C (60 s, 2 waiting for"
        " it)" in refusal.value.problem
    )
    assert "idle in transaction since A, last query at B: UPDATE x" in refusal.value.problem
    assert "pg_terminate_backend(77)" in refusal.value.next
