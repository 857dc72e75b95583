"""The database's steps: what psql printed → nothing, or the statements that make it right."""

from __future__ import annotations

import hashlib
import re

import pytest
from samples import site

from fabfile.engine.command import Sql
from fabfile.engine.converge import State, predict_outcomes
from fabfile.engine.errors import RunbookError
from fabfile.engine.psql import REFUSED, psql
from fabfile.engine.secret import Secret
from fabfile.engine.shell import Reading
from fabfile.engine.step import Change
from fabfile.roles import postgres
from fabfile.settings.program import Migration
from fabfile.steps.migration import Migrated
from fabfile.steps.seed import Seeded
from fabfile.steps.sql import (
    DatabaseStep,
    Index,
    LoginRole,
    SqlFile,
    scram_verifier,
    verifies_password,
)
from fabfile.steps.unit import Unit

PASSWORD = Secret("open-sesame")
ROLE = LoginRole("bingo", PASSWORD, connections=190)


def refused(code: int, words: str, *facts: str) -> str:
    """What a probe prints when psql ended with `code` and these words."""
    return "\n".join([f"{REFUSED} {code}", words, *facts, ""])


NO_DATABASE = refused(
    2,
    'psql: error: … FATAL:  database "bingo" does not exist',
    '{"databases" : ["postgres", "template1"]}',
)


def statements(change: Change | None) -> list[str]:
    assert change is not None
    return [
        text
        for command in change.commands
        if isinstance(command, Sql)
        for text in command.statements
    ]


# -- SCRAM


def test_a_verifier_as_postgresql_makes_it() -> None:
    """The example of RFC 7677: user `user`, password `pencil`; its proofs are checked from our
    stored and server keys."""
    import base64
    import hmac

    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    verifier = scram_verifier(Secret("pencil"), salt, 4096)
    head, _, keys = verifier.rpartition("$")
    assert head == "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ=="
    stored, server = (base64.b64decode(key) for key in keys.split(":"))
    said = (
        b"n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,"
        b"i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    )
    proof = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    signature = hmac.digest(stored, said, "sha256")
    client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
    assert hashlib.sha256(client_key).digest() == stored
    assert hmac.digest(server, said, "sha256") == base64.b64decode(
        "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    )


@pytest.mark.parametrize(
    "verifier", ["none", "", "md5abcdef", "SCRAM-SHA-256$4096:abc", "SCRAM-SHA-256$x:YQ==$a:b"]
)
def test_what_is_no_verifier_verifies_nothing(verifier: str) -> None:
    assert not verifies_password(verifier, PASSWORD)


def test_verifiers_differ_and_all_verify() -> None:
    first, second = scram_verifier(PASSWORD), scram_verifier(PASSWORD)
    assert first != second
    assert verifies_password(first, PASSWORD)
    assert verifies_password(scram_verifier(PASSWORD, iterations=100), PASSWORD), (
        "somebody else's scram_iterations are fine"
    )
    assert not verifies_password(second, Secret("open-sesamE"))


# -- the role

GOOD = scram_verifier(PASSWORD)


@pytest.mark.parametrize(
    ("out", "code", "said", "verb"),
    [
        (f"{GOOD}|t|190\n", 0, None, ""),
        ("", 0, "create role bingo", "CREATE"),
        (
            "setpriv: failed to execute psql: No such file or directory\n",
            127,
            "create role bingo",
            "CREATE",
        ),
        (
            f"{scram_verifier(Secret('another one'))}|t|190\n",
            0,
            "set the password of role bingo",
            "ALTER",
        ),
        ("none|t|190\n", 0, "set the password of role bingo", "ALTER"),
        ("md5aaaaaaaa|t|190\n", 0, "set the password of role bingo", "ALTER"),
        (f"{GOOD}|f|190\n", 0, "fix the attributes of role bingo", "ALTER"),
        (f"{GOOD}|t|-1\n", 0, "fix the attributes of role bingo", "ALTER"),
    ],
)
def test_login_role(out: str, code: int, said: str | None, verb: str) -> None:
    change = ROLE.decide(Reading(out, code))
    assert (change.sentence if change else None) == said
    if change:
        (statement,) = statements(change)
        assert statement.startswith(
            f'{verb} ROLE "bingo" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE '
        )
        assert "CONNECTION LIMIT 190 PASSWORD 'SCRAM-SHA-256$4096:" in statement
        verifier = statement.partition("PASSWORD '")[2].rstrip("'")
        assert verifies_password(verifier, PASSWORD)
        assert "open-sesame" not in statement
        assert verifier not in change.commands[0].show(), "not even the verifier is shown"


def test_names_are_quoted() -> None:
    odd = LoginRole("o'b\"x", PASSWORD, 1)
    assert "rolname = 'o''b\"x'" in odd.probe()
    assert statements(odd.decide(Reading("", 0)))[0].startswith('CREATE ROLE "o\'b""x" ')


# -- indexes

DEFINITION = "CREATE INDEX movies_id ON public.movies USING btree (id)"
INDEX = Index("bingo", DEFINITION)
BUILD = "CREATE INDEX CONCURRENTLY movies_id ON public.movies USING btree (id)"
DROP = "DROP INDEX CONCURRENTLY public.movies_id"


@pytest.mark.parametrize(
    ("out", "code", "said", "dropped"),
    [
        (f"t|{DEFINITION}\n", 0, None, False),
        ("", 0, "build index movies_id on public.movies without blocking", False),
        (NO_DATABASE, 2, "build index movies_id on public.movies without blocking", False),
        (
            f"f|{DEFINITION}\n",
            0,
            (
                "build index movies_id on public.movies without blocking again"
                " (an interrupted build left it invalid)"
            ),
            True,
        ),
        (
            "t|CREATE INDEX movies_id ON public.movies USING btree (name)\n",
            0,
            (
                "build index movies_id on public.movies without blocking again (its definition"
                " changed)"
            ),
            True,
        ),
    ],
)
def test_index(out: str, code: int, said: str | None, dropped: bool) -> None:
    change = INDEX.decide(Reading(out, code))
    assert (change.sentence if change else None) == said
    if change:
        texts = [text for text in statements(change) if not text.startswith("SET ")]
        assert texts == [*([DROP] if dropped else []), BUILD, "ANALYZE public.movies"]
        assert "SET statement_timeout = 0" in statements(change)


def test_the_indexes_of_the_project_are_written_as_postgresql_prints_them() -> None:
    steps = postgres.index_steps(site())
    assert {"movies_id", "customers_id", "sessions_id"} <= {
        step.index for step in steps if isinstance(step, Index)
    }
    for step in steps:
        assert isinstance(step, Index)
        assert re.fullmatch(
            r"CREATE INDEX \w+ ON public\.\w+ USING btree \([^)]+\)", step.definition
        )


# -- files of sql/

FILE = SqlFile(
    "020_x",
    "-- about\n-- check\nSELECT 'ok';\n-- apply\nGRANT a\n  TO b;\nREVOKE c FROM d;\n",
    "bingo",
)


@pytest.mark.parametrize(
    ("out", "code", "said"),
    [
        ("ok\n", 0, None),
        ("let b in\n", 0, "let b in"),
        ("let b in\nand more\n", 0, "let b in"),
        ("", 0, "apply 020_x"),
        (NO_DATABASE, 2, "apply 020_x"),
        (
            refused(
                3, 'psql:<stdin>:1: ERROR:  42704: role "bingo" does not exist\nLOCATION:  x.c'
            ),
            3,
            "apply 020_x",
        ),
    ],
)
def test_sql_file(out: str, code: int, said: str | None) -> None:
    change = FILE.decide(Reading(out, code))
    assert (change.sentence if change else None) == said
    if change:
        assert statements(change) == ["GRANT a\n  TO b", "REVOKE c FROM d"]


def test_a_probe_reads_as_the_superuser_over_the_socket() -> None:
    assert FILE.probe() == psql("bingo", "SELECT 'ok';")
    assert 'setpriv --reuid=postgres --regid=postgres --init-groups "$psql"' in FILE.probe()
    assert "words=$(ask bingo 2>&1 >&3 <<'SQL'\nSELECT 'ok';\nSQL\n) && exit 0" in FILE.probe()


def test_every_file_of_the_project_has_a_check_and_statements() -> None:
    files = [step for step in postgres.access_steps(site()) if isinstance(step, SqlFile)]
    assert [step.label for step in files] == ["020_database", "030_rights"]
    for step in files:
        assert "THEN 'ok'" in step.probe()
        assert statements(step.decide(Reading("", 0)))


# -- seeding

SEEDED = Seeded(site(), ("prepare_db",))


@pytest.mark.parametrize(
    ("out", "code", "said"),
    [
        ("runbook: seeded\n3|0\n", 0, None),
        ("runbook: seeded (found so)\n3|1\n", 0, None),
        ("\n0|0\n", 0, "seed database bingo"),
        ("runbook: seeding\n0|0\n", 0, "seed database bingo (an earlier seeding did not finish)"),
        ("runbook: seeding\n3|1\n", 0, "seed database bingo (an earlier seeding did not finish)"),
        ("runbook: seeded\n0|0\n", 0, "seed database bingo"),
        ("\n3|0\n", 0, "adopt the data found in database bingo"),
        ("somebody's own words\n3|0\n", 0, "adopt the data found in database bingo"),
    ],
)
def test_seeded(out: str, code: int, said: str | None) -> None:
    change = SEEDED.decide(Reading(out, code))
    assert (change.sentence if change else None) == said
    if change and said and said.startswith("seed"):
        begin, prepare, end = (command.show() for command in change.commands)
        guard, _, mark = begin.partition(";\nCOMMENT")
        assert "RAISE EXCEPTION" in guard, "it must ask again before it empties a database"
        assert mark == " ON DATABASE \"bingo\" IS 'runbook: seeding';"
        assert prepare == "bingo prepare_db"
        assert end == "COMMENT ON DATABASE \"bingo\" IS 'runbook: seeded';"
    elif change:
        assert statements(change) == [
            "COMMENT ON DATABASE \"bingo\" IS 'runbook: seeded (found so)'"
        ]


def test_tables_that_nobody_knows_are_left_to_a_person() -> None:
    with pytest.raises(
        RunbookError, match="3 tables that the runbook did not create, 2 of them empty"
    ) as refusal:
        SEEDED.decide(Reading("\n3|2\n", 0))
    assert "inv db.status" in refusal.value.next


@pytest.mark.parametrize("answer", ["Welcome to db1\n", "\n", "\n0|0\nWelcome\n", "\nx|y\n"])
def test_an_answer_that_makes_no_sense_empties_no_database(answer: str) -> None:
    with pytest.raises(RunbookError, match="is not clear from the answer"):
        SEEDED.decide(Reading(answer, 0))


# -- what could not be asked

SOCKET = 'psql: error: connection to server on socket "/var/run/postgresql/.s.PGSQL.5432" failed: '
DOWN = refused(
    2,
    f"{SOCKET}No such file or directory\n\tIs the server running locally and accepting"
    " connections?",
)
FULL = refused(
    2,
    f"{SOCKET}FATAL:  could not write init file: No space left on device",
    '{"mount": "/data", "free_kb": 0}',
)
MIGRATED = Migrated(site(), Migration(command=("migrate",)), "5e5e5e5e5e5e")
STEPS: list[DatabaseStep] = [ROLE, INDEX, FILE, SEEDED, MIGRATED]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
@pytest.mark.parametrize(
    ("out", "code", "says"),
    [
        (DOWN, 2, "PostgreSQL is not running"),
        (FULL, 2, "No space left on device; its file system /data is full"),
        (refused(3, "ERROR:  55P03: canceling statement due to lock timeout"), 3, "lock timeout"),
        (refused(2, f"{SOCKET}FATAL:  sorry, too many clients already"), 2, "no connection left"),
        (
            refused(2, f"{SOCKET}FATAL:  the database system is starting up"),
            2,
            "does not accept connections yet",
        ),
        (refused(2, f"{SOCKET}FEHLER:  irgendwas"), 2, "irgendwas"),
        (refused(124, ""), 124, "did not answer within 3 s"),
        ("", 1, "psql ended with 1"),
        ("ok\n", 3, "psql ended with 3"),
    ],
)
def test_what_could_not_be_asked_is_an_error_and_never_a_change(
    step: DatabaseStep, out: str, code: int, says: str
) -> None:
    with pytest.raises(RunbookError) as refusal:
        step.decide(Reading(out, code))
    assert says in refusal.value.problem
    assert refusal.value.why
    assert refusal.value.next


def plan(*pairs: tuple[object, str, int]) -> list[tuple[State, str]]:
    steps = [step for step, _, _ in pairs]
    outcomes = predict_outcomes(steps, [Reading(out, code) for _, out, code in pairs])  # type: ignore[arg-type]
    return [(outcome.state, outcome.sentence) for outcome in outcomes]


def test_a_server_that_the_plan_starts_is_asked_then() -> None:
    unit = Unit("postgresql@17-main.service")
    stopped = "LoadState=loaded\nActiveState=inactive\nUnitFileState=enabled\nNeedDaemonReload=no\n"
    assert plan((unit, stopped, 0), (ROLE, DOWN, 2), (INDEX, DOWN, 2))[1:] == [
        (State.WOULD, "check role bingo once PostgreSQL runs"),
        (State.WOULD, "check index movies_id once PostgreSQL runs"),
    ]


def test_one_cause_is_told_once_in_a_plan() -> None:
    assert plan((ROLE, FULL, 2), (INDEX, FULL, 2), (FILE, "ok\n", 0)) == [
        (
            State.FAILED,
            (
                "PostgreSQL refused: could not write init file: No space left on device; its file"
                " system /data is full"
            ),
        ),
        (State.SKIPPED, "index movies_id: unknown, same cause as role bingo"),
        (State.RIGHT, ""),
    ]
