"""When a file of SQL seeds a database, and what a killed run left of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from msgspec.structs import replace as with_fields
from samples import PROGRAM, site

from fabfile.engine.errors import RunbookError
from fabfile.engine.secret import MASK, Secret
from fabfile.engine.shell import Reading
from fabfile.roles.seeding import seed_step
from fabfile.settings.program import DatabaseNeeds, Migration, SeedRule
from fabfile.steps.seed import Seeded
from fabfile.steps.sql_seed import SeededBySql

STEP = SeededBySql("shop", "shop", ("INSERT 1", "INSERT 2", "INSERT 3"), ("items", "users"))


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("read\n0\n", "seed database shop (3 statements)"),
        ("mark|migrate|abc\nread\n0\n", "seed database shop (3 statements)"),
        ("mark|seed 1|\nread\n1\n", "seed database shop (3 statements, 1 of them done)"),
        ("mark|seed 1|\nmark|seed|\nread\n2\n", None),
        ("mark|seed|\nread\n0\n", None),
        ("read\n2\n", "adopt the data found in database shop"),
    ],
)
def test_seeded_by_sql(out: str, said: str | None) -> None:
    change = STEP.decide(Reading(out, 0))
    assert (change.sentence if change else None) == said
    assert STEP.holds_data(out) == (said is None)


def test_data_of_others_is_left_to_a_person() -> None:
    with pytest.raises(RunbookError, match="1 of the tables items, users in database shop hold"):
        STEP.decide(Reading("read\n1\n", 0))


def with_database(folder: Path, **needs: object) -> object:
    program = with_fields(PROGRAM, database=DatabaseNeeds(**needs))  # type: ignore[arg-type]
    secrets = {"token": Secret("a-token-of-ours")}
    settings = replace(site(), program=program, program_folder=folder, secrets=secrets)
    return seed_step(settings, ("discovered",))


def test_the_service_file_says_how_to_seed(tmp_path: Path) -> None:
    (tmp_path / "seed.sql").write_text("INSERT INTO keys VALUES (:'token'); SELECT :rows;")
    values = {"token": "{{ secret.token }}", "rows": "7"}
    found = with_database(tmp_path, seed=SeedRule(sql="seed.sql", values=values, rows=("keys",)))
    assert isinstance(found, SeededBySql)
    assert found.statements == ("INSERT INTO keys VALUES ('a-token-of-ours')", "SELECT 7")
    assert "a-token" not in repr(found)
    change = found.decide(Reading("read\n0\n", 0))
    assert change
    assert change.commands[0].show() == f"INSERT INTO keys VALUES ('{MASK}');\nSELECT 7;"
    assert with_database(tmp_path) is None
    for seed, command in ((SeedRule(), "discovered"), (SeedRule(command=("fill",)), "fill")):
        step = with_database(tmp_path, seed=seed)
        assert isinstance(step, Seeded)
        assert step.command == (command,)


def test_what_cannot_seed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunbookError, match="no such file"):
        with_database(tmp_path, seed=SeedRule(sql="seed.sql"))
    (tmp_path / "seed.sql").write_text("SELECT 1")
    with pytest.raises(RunbookError, match=r"database\.seed\.values\.a: there is no variable"):
        with_database(tmp_path, seed=SeedRule(sql="seed.sql", values={"a": "{{ nothing }}"}))
    migrate = Migration(command=("up",))
    with pytest.raises(RunbookError, match="and a command that seeds") as refusal:
        with_database(tmp_path, seed=SeedRule(command=("fill",)), migrate=migrate)
    assert "service.toml" in refusal.value.next
