"""The database: doing it again changes nothing, what is broken is made again, and only the app's
nodes get in."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from deployed import Deployed, until
from labtools import Runner, Ssh

from lab import ssh as lab_ssh

PSQL = "runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 -d bingo"
INDEXES = """SELECT indexrelid::regclass::text, indisvalid FROM pg_index
JOIN pg_class c ON c.oid = indrelid
WHERE relnamespace = 'public'::regnamespace ORDER BY 1"""


@pytest.mark.parametrize("task", ["setup", "seed", "indexes", "tune", "status"])
def test_a_database_task_changes_nothing_the_second_time(
    deployed: Deployed, run_inv: Runner, task: str
) -> None:
    outcome = run_inv(f"db.{task}", "--json", "-")
    assert outcome.code == 0, outcome
    report = json.loads(outcome.out)
    assert report.get("to_do", []) == []
    assert report.get("totals", {}).get("changed", 0) == 0


def test_an_invalid_and_a_lost_index_are_built_again(
    deployed: Deployed, run_fab: Runner, run_inv: Runner, ssh: Ssh
) -> None:
    right = ssh("db1", f'{PSQL} -c "{INDEXES}"').out
    ssh("db1", CANCELLED)
    assert "sessions_id|f" in ssh("db1", f'{PSQL} -c "{INDEXES}"').out

    status = run_inv("db.status", "--json", "-")
    assert status.code == 2
    assert [sentence.split(" without")[0] for sentence in json.loads(status.out)["to_do"]] == [
        "build index movies_id on public.movies",
        "build index sessions_id on public.sessions",
    ]
    assert run_fab("plan").code == 2
    built = run_inv("db.indexes")
    assert built.code == 0, built
    assert "again (an interrupted build left it invalid)" in built.out
    assert ssh("db1", f'{PSQL} -c "{INDEXES}"').out == right
    assert run_inv("db.status").code == 0


# A writer that does not end makes a concurrent build wait; then it is cancelled. What stays is an
# invalid index.
CANCELLED = f"""
{PSQL} -c 'DROP INDEX movies_id' -c 'DROP INDEX sessions_id'
{PSQL} -c "BEGIN; UPDATE sessions SET customer_id = customer_id WHERE id = 1; SELECT pg_sleep(4)" \
>/dev/null &
until {PSQL} -c "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'" | grep -q 1; do \
sleep 0.1; done
! {PSQL} -c "SET statement_timeout = '500ms'" -c 'CREATE INDEX CONCURRENTLY sessions_id ON \
sessions (id)' 2>/dev/null
wait
"""


def test_a_seeding_that_was_cut_off_is_done_again(
    deployed: Deployed, run_fab: Runner, run_inv: Runner, ssh: Ssh
) -> None:
    count = (
        f"{PSQL} -c 'SELECT (SELECT count(*) FROM sessions), (SELECT count(*) FROM customers),"
        " (SELECT count(*) FROM movies)'"
    )
    right = ssh("db1", f"{PSQL} -c 'SELECT count(*) FROM movies' -c \"{INDEXES}\"").out
    ssh(
        "db1",
        f"{PSQL} -c \"COMMENT ON DATABASE bingo IS 'runbook: seeding'\" -c 'DELETE FROM sessions"
        " WHERE id > 100'",
    )

    outcome = run_fab("deploy")

    assert outcome.code == 0, outcome
    assert "an earlier seeding did not finish" in outcome.out
    assert ssh("db1", count).out == "500000|50000|2902\n"
    assert ssh("db1", f"{PSQL} -c 'SELECT count(*) FROM movies' -c \"{INDEXES}\"").out == right
    assert run_fab("plan").code == 0


@contextlib.contextmanager
def way_through(deployed: Deployed, host: str, folder: Path) -> Iterator[str]:
    """A local socket that leads to the database, by way of `host`: so it is `host` who connects."""
    local = folder / ".s.PGSQL.5432"
    *argv, user = lab_ssh.build_command(deployed.lab, host)
    forward = f"{local}:{deployed.lab.address('db1')}:5432"
    tunnel = subprocess.Popen([*argv, "-N", "-o", "ExitOnForwardFailure=yes", "-L", forward, user])
    try:
        until(local.exists, f"a tunnel through {host}")
        yield str(folder)
    finally:
        tunnel.kill()  # ssh that is asked to end waits for its forwarded connections first
        tunnel.wait(10)


def tries(host: str, user: str, database: str, password: str) -> str:
    """What the database says to this."""
    try:
        with psycopg.connect(
            host=host, user=user, dbname=database, password=password, connect_timeout=5
        ) as connection:
            return str(connection.execute("SELECT current_user").fetchone())
    except psycopg.OperationalError as error:
        return str(error)


def test_nobody_but_the_nodes_gets_in(deployed: Deployed, tmp_path: Path) -> None:
    password = (deployed.lab.folder / "secrets/db-password").read_text().strip()
    assert "no pg_hba.conf entry" in tries(deployed.lab.address("db1"), "bingo", "bingo", password)
    for host in ("edge1", "node1"):
        (tmp_path / host).mkdir()
    with way_through(deployed, "edge1", tmp_path / "edge1") as socket:
        assert "no pg_hba.conf entry" in tries(socket, "bingo", "bingo", password)
        assert "no pg_hba.conf entry" in tries(socket, "postgres", "postgres", password)
    with way_through(deployed, "node1", tmp_path / "node1") as socket:
        assert tries(socket, "bingo", "bingo", password) == "('bingo',)"
        assert "password authentication failed" in tries(socket, "bingo", "bingo", "guessed")
        assert "no pg_hba.conf entry" in tries(socket, "postgres", "postgres", password)
        assert "no pg_hba.conf entry" in tries(socket, "bingo", "postgres", password)
