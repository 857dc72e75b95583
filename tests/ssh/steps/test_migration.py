"""A migration and a seeding by SQL against a real PostgreSQL over ssh: once, followed or continued,
and with the program's own words when it fails."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec.structs import replace as with_fields
from pghost import has_server, running_postgres
from sshhost import Host, until

from fabfile.engine.errors import RunbookError
from fabfile.engine.link import Link
from fabfile.engine.postgres import connect_database
from fabfile.roles.migration import migration_steps
from fabfile.roles.postgres import access_steps
from fabfile.roles.seeding import seed_step
from fabfile.rollout.release_tables import refuse_cut_off, refuse_unmigrated
from fabfile.rollout.system import System
from fabfile.settings.settings import Settings
from fabfile.settings.site_file import load_settings
from fabfile.steps import run_migration
from fabfile.steps.migration import Migrated
from fabfile.steps.package import Packages
from fabfile.steps.sql import SqlFile
from fabfile.steps.sql_seed import SeededBySql

pytestmark = pytest.mark.skipif(not has_server(), reason="PostgreSQL is not installed here")

SERVICE = """
format = 1
title = "Shop"
[program]
name = "shop"
[start]
environment = { SHOP_TOKEN = "{{ secret.token }}", SHOP_PLAIN = "{{ node.name }}" }
[secret]
token = {}
[[file]]
name = "main"
template = "shop.conf"
path = "/etc/shop.conf"
[health]
live = { path = "/alive" }
[database]
[database.migrate]
command = ["migrate", "{{ file.main }}"]
version = "SELECT version FROM schema_version"
[database.seed]
sql = "seed.sql"
values = { token = "{{ secret.token }}", rows = "3" }
rows = ["items"]
"""

BINARY = """#!/bin/sh
# Release VERSION: the tables are made by a role of its own, as a program does it.
echo "release VERSION, token ${#SHOP_TOKEN}, file $(wc -c <"$2")"
[ VERSION != broken ] || { echo "relation missing: cannot go on" >&2; exit 3; }
[ ! -e /tmp/units/hold ] || while [ -e /tmp/units/hold ]; do sleep 0.05; done
psql -qX -h /run/postgresql -U shop shop -c "
CREATE TABLE IF NOT EXISTS schema_version (version text);
TRUNCATE schema_version; INSERT INTO schema_version VALUES ('VERSION');
CREATE TABLE IF NOT EXISTS items (id int PRIMARY KEY, name text)"
"""


SEED = """-- One statement a step; «;» in a text or a comment ends nothing.
INSERT INTO items SELECT n, 'item; ' || n FROM generate_series(1, :rows) n;
INSERT INTO items VALUES (100, :'token');
UPDATE items SET name = name || $$ is 'it' ; $$ WHERE id = 2::int;
"""


@pytest.fixture
def database(host: Host, link: Link) -> Iterator[Link]:
    """The link to a host with an empty database `shop` of the role `shop`."""
    with running_postgres(host, link):
        with connect_database(link, "postgres") as connection:
            connection.execute("CREATE ROLE shop LOGIN")
            connection.execute("CREATE DATABASE shop OWNER shop")
        yield link


def shop(site: Path, host: Host, version: str) -> tuple[Settings, Path]:
    """The site of the shop in release `version`, and its binary."""
    folder = site.parent / "shop"
    folder.mkdir(exist_ok=True)
    (folder / "service.toml").write_text(SERVICE)
    (folder / "shop.conf").write_text("token={{ secret.token }}\n")
    (folder / "seed.sql").write_text(SEED)
    binary = site.parent / f"shop-{version}"
    binary.write_text(BINARY.replace("VERSION", version))
    plain = site.with_name("plain.toml")
    if not plain.exists():
        site.rename(plain)
    text = plain.read_text().replace('email = "test@example.com"', "")
    text = text.replace('roles = ["app", "edge"]', 'roles = ["app", "edge", "postgres"]')
    lines = [line for line in text.splitlines() if not line.startswith(("binary", "sha256"))]
    digest = hashlib.sha256(binary.read_bytes()).hexdigest()
    own = f'[app]\nservice = "shop"\nbinary = "{binary}"\nsha256 = "{digest}"'
    site.write_text("\n".join(lines).replace("[app]", own, 1) + "\n")
    return load_settings(site), binary


def migration(site: Path, host: Host, version: str, **changed: object) -> Migrated:
    """The step for release `version`. The packages of this machine are left alone."""
    settings, binary = shop(site, host, version)
    [step] = migration_steps(settings, binary)
    assert isinstance(step, Migrated)
    kept = tuple(one for one in step.preparation if not isinstance(one, Packages))
    return replace(step, preparation=kept, **changed)  # type: ignore[arg-type]


def apply(step: Migrated, link: Link) -> str:
    """Converge the step; its sentence, or an empty text if all was right."""
    change = step.decide(link.read([step.probe()])[0])
    for command in change.commands if change else ():
        command.execute(link, lambda text: None)
    return change.sentence if change else ""


def rows(link: Link, query: str, user: str = "postgres") -> list[tuple[object, ...]]:
    with connect_database(link, "shop", user=user) as connection:
        return connection.execute(query).fetchall()


MARKS = "SELECT what, release FROM runbook.marks ORDER BY at, what"


def test_each_release_migrates_once(site: Path, host: Host, database: Link) -> None:
    first = migration(site, host, "104")
    assert apply(first, database) == f"migrate shop … (release {first.release})"
    assert apply(first, database) == ""
    assert rows(database, "SELECT version FROM schema_version") == [("104",)]
    second = migration(site, host, "132")
    assert apply(second, database) == f"migrate shop 104 → … (release {second.release})"
    assert rows(database, "SELECT version FROM schema_version") == [("132",)]
    assert apply(first, database) == "", "the release before serves on, on the new tables"
    assert rows(database, MARKS) == [("migrate", first.release), ("migrate", second.release)]
    assert not list((host.files / "run/systemd/system").glob("runbook-*"))
    assert not (host.files / f"srv/app/releases/{second.release}/migrate").exists(), "secrets"
    assert not (host.files / "etc/shop.conf").exists(), "what serves reads its own file"
    with pytest.raises(RunbookError, match="permission denied"):
        rows(database, MARKS, user="shop")


def test_a_secret_reaches_the_migration_by_a_file_of_root(
    site: Path, host: Host, database: Link
) -> None:
    step = migration(site, host, "104")
    token = step.settings.secrets["token"].reveal()
    hold = host.files / "tmp/units"
    hold.mkdir(exist_ok=True)
    files = [one for one in step.preparation if getattr(one, "path", "").startswith(step.folder)]
    assert {(one.path.rpartition("/")[2], oct(one.mode)) for one in files} == {  # type: ignore[attr-defined]
        ("migrate", "0o750"),
        ("shop.conf", "0o640"),
        ("environment", "0o600"),
    }
    unit = next(one for one in step.preparation if one.name.endswith("runbook-migrate.service"))
    assert token not in unit.content  # type: ignore[attr-defined]
    apply(step, database)
    said = (host.files / "tmp/units/output").read_text()
    assert f"release 104, token {len(token)}, file {len(f'token={token}') + 1}\n" in said


def test_the_file_that_the_old_release_reads_stays(site: Path, host: Host, database: Link) -> None:
    (host.files / "etc/shop.conf").write_text("of the old release\n")
    try:
        apply(migration(site, host, "104"), database)
        assert (host.files / "etc/shop.conf").read_text() == "of the old release\n"
    finally:
        (host.files / "etc/shop.conf").unlink()


def test_a_failed_migration_says_the_programs_words_and_sets_no_mark(
    site: Path, host: Host, database: Link
) -> None:
    apply(migration(site, host, "104"), database)
    broken = migration(site, host, "broken")
    with pytest.raises(RunbookError) as failure:
        apply(broken, database)
    assert f"the migration for release {broken.release} ended with «exit-code»: " in str(
        failure.value
    )
    assert "relation missing: cannot go on" in failure.value.problem
    assert "the release before serves on" in failure.value.why
    assert len(rows(database, MARKS)) == 1
    assert rows(database, "SELECT version FROM schema_version") == [("104",)]


def test_a_migration_that_runs_is_followed_and_not_started_again(
    site: Path, host: Host, database: Link
) -> None:
    """The run that started it was killed."""
    step = migration(site, host, "104")
    units = host.files / "tmp/units"
    units.mkdir(exist_ok=True)
    (units / "hold").touch()
    change = step.decide(database.read([step.probe()])[0])
    assert change
    run, *rest = change.commands
    assert isinstance(run, run_migration.RunMigration)
    run._start(database, lambda text: None)
    seen: list[str] = []

    def let_go(text: str) -> None:
        seen.append(text)
        (units / "hold").unlink(missing_ok=True)

    for command in (run, *rest):
        command.execute(database, let_go)
    assert (units / "starts").read_text() == "started\n"
    assert seen[0].startswith("migration: release 104")
    assert apply(step, database) == ""


def test_another_releases_migration_is_not_disturbed(
    site: Path, host: Host, database: Link
) -> None:
    units = host.files / "tmp/units"
    units.mkdir(exist_ok=True)
    (units / "hold").touch()
    first = migration(site, host, "104")
    run_migration.RunMigration(
        first.settings, first.rule, first.release, first.preparation, first.folder
    )._start(database, lambda text: None)
    with pytest.raises(RunbookError, match=f"the migration of release {first.release} still runs"):
        apply(migration(site, host, "132"), database)
    (units / "hold").unlink()
    until(lambda: (units / "state").read_text() == "exited\n", "it ends")


def test_a_migration_by_hand_holds_the_lock(
    site: Path, host: Host, database: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_migration, "LOCK_SECONDS", 0.2)
    step = migration(site, host, "104")
    with connect_database(database, "shop") as other:
        other.execute(run_migration.TRY_LOCK)
        with pytest.raises(RunbookError, match="another session holds the lock of migrations"):
            apply(step, database)
    assert apply(step, database)


def test_a_migration_without_a_way_back(site: Path, host: Host, database: Link) -> None:
    first = migration(site, host, "104")
    apply(first, database)
    second = migration(site, host, "132")
    rule = with_fields(second.rule, compatible="none")
    with pytest.raises(RunbookError) as refusal:
        apply(replace(second, rule=rule), database)
    assert refusal.value.next == "fab deploy --with-downtime"
    sentence = apply(replace(second, rule=rule, may_stop=True), database)
    assert sentence.endswith("the app is stopped meanwhile, no rollback leads back")
    stopped = (host.files / "tmp/units/others").read_text().splitlines()
    assert stopped == ["stop runbook-healer.service", "stop shop.service"]
    with pytest.raises(RunbookError, match=f"release {first.release} does not work on the tables"):
        apply(first, database)
    assert apply(second, database) == ""


def test_a_rollback_across_a_one_way_migration_is_refused(
    site: Path, host: Host, database: Link
) -> None:
    first = migration(site, host, "104")
    apply(first, database)
    second = migration(site, host, "132", may_stop=True)
    refuse_cut_off(second.settings, first.release)
    apply(replace(second, rule=with_fields(second.rule, compatible="none")), database)
    refuse_cut_off(second.settings, second.release)
    with pytest.raises(RunbookError, match=f"release {second.release} changed them for good"):
        refuse_cut_off(second.settings, first.release)


def test_app_nodes_alone_do_not_get_a_release_that_must_migrate_first(
    site: Path, host: Host, database: Link
) -> None:
    settings, binary = shop(site, host, "104")
    with pytest.raises(RunbookError, match="must migrate first, but one is left out"):
        refuse_unmigrated(System(settings, binary, None))
    apply(migration(site, host, "104"), database)
    refuse_unmigrated(System(settings, binary, None))


# -- seeding by SQL


def seeding(site: Path, host: Host, database: Link) -> SeededBySql:
    """The step, after the migration has made its tables: they are empty, and no others' data."""
    step = migration(site, host, "104")
    apply(step, database)
    seed = seed_step(step.settings, None)
    assert isinstance(seed, SeededBySql)
    return seed


def test_a_database_is_seeded_once(site: Path, host: Host, database: Link) -> None:
    step = seeding(site, host, database)
    token = load_settings(site).secrets["token"].reveal()
    assert apply(step, database) == "seed database shop (3 statements)"
    assert apply(step, database) == ""
    assert rows(database, "SELECT id, name FROM items ORDER BY id") == [
        (1, "item; 1"),
        (2, "item; 2 is 'it' ; "),
        (3, "item; 3"),
        (100, token),
    ]
    done = [what for what, _ in rows(database, MARKS)]
    assert done == ["migrate", "seed 1", "seed 2", "seed 3", "seed"]


def test_a_seeding_goes_on_after_the_statement_that_failed(
    site: Path, host: Host, database: Link
) -> None:
    step = seeding(site, host, database)
    failing = replace(step, statements=(step.statements[0], "INSERT INTO nowhere VALUES (1)"))
    with pytest.raises(RunbookError, match='relation "nowhere" does not exist'):
        apply(failing, database)
    assert apply(step, database) == "seed database shop (3 statements, 1 of them done)"
    assert rows(database, "SELECT count(*) FROM items") == [(4,)]


def test_a_seeding_that_leaves_a_table_empty_has_failed(
    site: Path, host: Host, database: Link
) -> None:
    step = seeding(site, host, database)
    with pytest.raises(RunbookError, match="only 0 of the tables items hold data"):
        apply(replace(step, statements=("SELECT 1",)), database)


def test_data_that_is_there_already_is_adopted(site: Path, host: Host, database: Link) -> None:
    step = seeding(site, host, database)
    with connect_database(database, "shop") as connection:
        connection.execute("INSERT INTO items VALUES (1, 'of a user')")
    assert apply(step, database) == "adopt the data found in database shop"
    assert rows(database, "SELECT count(*) FROM items") == [(1,)]


def test_what_a_seeding_creates_belongs_to_the_program(
    site: Path, host: Host, database: Link
) -> None:
    step = seeding(site, host, database)
    more = replace(step, statements=("CREATE TABLE made ()", *step.statements))
    apply(more, database)
    owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'made'"
    assert rows(database, owner) == [("shop",)]


def test_the_extensions_of_the_program(site: Path, host: Host, database: Link) -> None:
    settings, _ = shop(site, host, "104")
    assert settings.program.database
    program = with_fields(
        settings.program,
        database=with_fields(settings.program.database, extensions=("plpgsql", "hstore")),
    )
    steps = access_steps(replace(settings, program=program))
    [step] = [one for one in steps if one.name == "sql 035_extensions"]
    assert isinstance(step, SqlFile)
    change = step.decide(database.read([step.probe()])[0])
    assert change
    assert change.sentence == "create extension hstore"
    if not list(Path("/usr/share/postgresql").glob("*/extension/hstore.control")):
        pytest.skip("hstore is not installed here")
    for command in change.commands:
        command.execute(database, lambda text: None)
    assert step.decide(database.read([step.probe()])[0]) is None
