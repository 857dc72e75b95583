"""The unit of a migration: the app's environment and sandbox, and files of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from msgspec.structs import replace as with_fields
from samples import FACTS, PROGRAM, site

from fabfile.engine.host import Node
from fabfile.roles import app
from fabfile.roles.migration import migration_steps
from fabfile.rollout.system import System
from fabfile.settings.program import ConfigFile, Migration
from fabfile.settings.settings import Settings
from fabfile.steps.file import File
from fabfile.steps.migration import Migrated

UNIT = "/run/systemd/system/runbook-migrate.service"
FOLDER = "/srv/app/releases/5e5e5e5e5e5e/migrate"


def migrating(folder: Path) -> Settings:
    (folder / "main.conf").write_text("password={{ database.password }}\n")
    database = PROGRAM.database
    assert database
    rule = Migration(
        command=("-c", "{{ file.main }}", "-migrate"),
        environment={"STEP": "1", "URL": "{{ database.url }}"},
        seconds=90,
    )
    program = with_fields(
        PROGRAM,
        files=(ConfigFile(name="main", template="main.conf", path="/etc/shop/main.conf"),),
        start=with_fields(PROGRAM.start, environment={"STEP": "0", "ZONE": "utc"}),
        database=with_fields(database, migrate=rule),
    )
    return replace(site(), program=program, program_folder=folder)


def files(settings: Settings) -> dict[str, File]:
    [step] = migration_steps(settings, Path("/nonexistent/bingo"))
    assert isinstance(step, Migrated)
    return {one.path: one for one in step.preparation if isinstance(one, File)}


def test_a_program_without_a_migration_has_no_step() -> None:
    db1 = Node("db1", "192.0.2.31", ("postgres",))
    assert migration_steps(site(), Path("/nonexistent/bingo")) == []
    assert System(site(), Path("/nonexistent/bingo"), FACTS).steps(db1, "migrate") == []


def test_the_migration_reads_its_own_copies(tmp_path: Path) -> None:
    written = files(migrating(tmp_path))
    assert sorted(written) == [UNIT, f"{FOLDER}/environment", f"{FOLDER}/main.conf"]
    lines = written[UNIT].content.splitlines()
    assert "ExecStart=/srv/app/releases/5e5e5e5e5e5e/bingo -c /etc/shop/main.conf -migrate" in lines
    assert f"BindReadOnlyPaths={FOLDER}/main.conf:/etc/shop/main.conf" in lines
    assert [line for line in lines if line.startswith("Environment")] == [
        "Environment=STEP=1",
        "Environment=ZONE=utc",
        f"EnvironmentFile={FOLDER}/environment",
    ]
    assert "RuntimeMaxSec=90" in lines
    assert site().password.reveal() not in written[UNIT].content


def test_the_migration_has_the_sandbox_of_the_app(tmp_path: Path) -> None:
    settings = migrating(tmp_path)
    facts = replace(FACTS, directories=(), reject=())
    texts = app.app_texts(settings, None, facts)
    unit = app._service_text(texts, Path("/nonexistent/bingo"), facts)
    begin = "# A hard limit"
    sandbox = begin + unit.partition(begin)[2].partition("\n[Install]")[0]
    assert files(settings)[UNIT].content.rstrip().endswith(sandbox.rstrip())
