"""A database that answers badly or not at all is told as that, with its cause: nothing is called
missing, nothing hangs."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator

import pytest
from deployed import Deployed, assert_unchanged, complaint, until
from labtools import Outcome, Runner, Ssh

from fabfile.health.database import LOCK_WAIT_SECONDS

PSQL = "runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 -d bingo"
UNIT = "postgresql@17-main"
ETC = "/etc/postgresql/17/main"
AUTO = "/var/lib/postgresql/17/main/postgresql.auto.conf"
OURS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'runbook'"


def problems(status: Outcome) -> str:
    """What `fab status --json -` found on db1, as one text: sentences and what to type."""
    assert "Traceback" not in status.err
    (host,) = (host for host in json.loads(status.out)["hosts"] if host["host"] == "db1")
    return "\n".join(f"{problem['message']} -> {problem['next']}" for problem in host["problems"])


def to_change(plan: Outcome) -> list[str]:
    """The sentences of what `fab plan --json -` would change on db1."""
    (host,) = (host for host in json.loads(plan.out)["hosts"] if host["host"] == "db1")
    return [step["message"] for step in host["steps"] if step["state"] == "would change"]


# -- settings in effect


# Several at once, for each costs a restart of PostgreSQL: what counts from the next restart on is
# set after the last one here.
OVERRULED = f"""{PSQL} -c "ALTER SYSTEM SET listen_addresses = 'localhost'"
systemctl restart {UNIT}
{PSQL} -c "ALTER SYSTEM SET maintenance_work_mem = '1MB'" -c "SELECT pg_reload_conf()"
{PSQL} -c "ALTER SYSTEM SET max_connections = 20"
{PSQL} -c "ALTER ROLE bingo SET work_mem = '64kB'"
"""


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (OVERRULED, (f"{AUTO}:3", f"{AUTO}:4", f"{AUTO}:5", "ALTER ROLE bingo")),
        (
            f"sed -i 's/^include_dir/#&/' {ETC}/postgresql.conf; systemctl restart {UNIT}",
            ("not include our file",),
        ),
        (
            f"mkdir -p {ETC}/other.d; sed -i 's/^include_dir.*/include_dir = "
            f"'\"'other.d'\"'/' {ETC}/postgresql.conf",
            ("not include our file",),
        ),
    ],
    ids=["overruled", "include", "include-other"],
)
def test_a_setting_that_is_overruled_is_named_and_put_right(
    healed: Deployed, run_fab: Runner, ssh: Ssh, spoil: str, named: tuple[str, ...]
) -> None:
    ssh("db1", spoil)
    status = run_fab("status", "--json", "-")
    plan = run_fab("plan", "--json", "-")
    assert status.code == 2
    assert [part for part in (*named, "fab deploy") if part not in problems(status)] == []
    assert plan.code == 2
    outcome = run_fab("deploy")
    assert outcome.code == 0, outcome
    assert run_fab("status").code == 0
    auto = ssh("db1", f"cat {AUTO}").out
    assert not {"listen_addresses", "max_connections"} & set(auto.split())
    assert_unchanged(run_fab("deploy"))


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("work_mem = 1MB", "99-other.conf:1 overrules our file"),
        ("listen_addresses = 'localhost'", "99-other.conf:1 overrules our file"),
        ("no_such_setting 5", "99-other.conf:1"),
    ],
)
def test_another_file_that_overrules_ours_is_left_alone_and_named(
    healed: Deployed, run_fab: Runner, ssh: Ssh, line: str, named: str
) -> None:
    other = f"{ETC}/conf.d/99-other.conf"
    ssh("db1", f'echo "{line}" >{other}; systemctl reload {UNIT}')
    try:
        for task in ("plan", "deploy"):
            outcome = run_fab(task)
            assert outcome.code == 1, outcome
            assert named in complaint(outcome).seen
            assert UNIT in complaint(outcome).next
        status = run_fab("status", "--json", "-")
        assert status.code == 2
        assert named in problems(status)
        assert ssh("db1", f"cat {other}").out == f"{line}\n"
    finally:
        ssh("db1", f"rm {other}; systemctl reload {UNIT}")


# -- a full disk


REAL = "/var/lib/postgresql"
FULL = f"""systemctl stop {UNIT}; mv {REAL} {REAL}.real; mkdir {REAL}
size=$(($(du -sm {REAL}.real | cut -f1) + 64)); files=$(($(find {REAL}.real | wc -l) + 300))
mount -t tmpfs -o $options tmpfs {REAL}; cp -a {REAL}.real/. {REAL}/; systemctl start {UNIT}
until {PSQL} -c 'SELECT 1' >/dev/null; do sleep 0.1; done
cd {REAL}; rm -f 17/main/base/*/pg_internal.init 17/main/global/pg_internal.init; $fill"""
# Without its init file each new connection writes one: the least that PostgreSQL needs space for.


@contextlib.contextmanager
def full(ssh: Ssh, options: str, fill: str) -> Iterator[None]:
    """PostgreSQL's data on a file system of its own with no space (or no inode) left."""
    try:
        ssh("db1", FULL.replace("$options", options).replace("$fill", fill))
        yield
    finally:
        ssh(
            "db1",
            f"""systemctl stop {UNIT}; umount -l {REAL}; rmdir {REAL}; mv {REAL}.real {REAL}
            systemctl reset-failed {UNIT}; systemctl start {UNIT}""",
        )


@pytest.mark.parametrize(
    ("options", "fill", "named"),
    [
        ("size=${size}m", "dd if=/dev/zero of=filler bs=4k 2>/dev/null || true", "is full"),
        (
            "nr_inodes=$files",
            "mkdir m; i=0; while touch m/$i 2>/dev/null; do i=$((i+1)); done",
            "no inode left",
        ),
    ],
    ids=["space", "inodes"],
)
def test_a_full_file_system_is_named_and_nothing_is_called_missing(
    healed: Deployed,
    run_fab: Runner,
    run_inv: Runner,
    ssh: Ssh,
    options: str,
    fill: str,
    named: str,
) -> None:
    with full(ssh, options, fill):
        status = run_fab("status", "--json", "-")
        assert status.code == 2, status
        assert "/var/lib/postgresql" in problems(status)
        assert named in problems(status)
        assert to_change(run_fab("plan", "--json", "-")) == []
        if named != "is full":
            return  # what is read needs no new file
        plan = run_fab("plan")
        assert plan.code == 1
        assert "No space left on device" in complaint(plan).seen
        assert named in complaint(plan).seen
        assert "df -h /var/lib/postgresql" in complaint(plan).next
        assert run_fab("deploy").code == 1
        tables = run_inv("db.status")
        assert tables.code == 1
        assert "No space left on device" in complaint(tables).seen


# -- a forgotten session


@contextlib.contextmanager
def forgotten(ssh: Ssh, statement: str) -> Iterator[str]:
    """A session that has run `statement` in a transaction and does nothing more; its pid."""
    pid = (  # a transaction of less than a second is nobody's fault
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'night shift' AND state LIKE"
        " 'idle in%' AND now() - xact_start > interval '1 s'"
    )
    session = (
        f"(echo \"BEGIN; {statement};\"; sleep 600) | PGAPPNAME='night shift' psql -Xq -d bingo"
    )
    ssh(
        "db1",
        f"cat >/run/session.sh <<'END'\n{session}\nEND\nsystemd-run -q --unit=forgotten -p"
        " User=postgres sh /run/session.sh",
    )
    try:
        ask = f'{PSQL.replace("bingo", "postgres")} -c "{pid}"'
        until(lambda: ssh("db1", ask).out != "", "the session")
        yield ssh("db1", ask).out.strip()
    finally:
        ssh("db1", "systemctl stop forgotten; rm /run/session.sh")


@pytest.mark.parametrize(
    "statement",
    ["LOCK TABLE movies", "TRUNCATE sessions", "LOCK TABLE pg_catalog.pg_index"],
)
def test_a_locked_table_is_told_within_seconds_with_who_holds_it(
    healed: Deployed, run_fab: Runner, run_inv: Runner, ssh: Ssh, statement: str
) -> None:
    with forgotten(ssh, statement) as pid:
        for run, task, code in (
            (run_fab, "status", 2),
            (run_fab, "plan", 1),
            (run_inv, "db.status", 1),
        ):
            begun = time.monotonic()
            outcome = run(task, timeout=60)
            took = time.monotonic() - begun
            assert outcome.code == code, outcome
            text = " ".join((outcome.out + outcome.err).split())
            assert f"session {pid} (postgres, night shift, from a local socket) has locked " in text
            assert "idle in transaction since 20" in text
            assert statement in text
            assert f"pg_terminate_backend({pid})" in text
            assert "unreachable" not in text
            assert "would change" not in text
            assert took < 45 if task == "plan" else took < 30, (task, took)
        ours = ssh("db1", f'{PSQL.replace("bingo", "postgres")} -c "{OURS}"').out
        assert ours == "", "no question of ours waits on there"


def test_sessions_that_wait_for_each_other_are_seen(
    healed: Deployed, run_fab: Runner, ssh: Ssh
) -> None:
    """A row that is locked lets reads through: only who writes it waits."""
    with forgotten(ssh, "UPDATE movies SET name = name WHERE id = 1") as pid:
        waiter = f'{PSQL} -c "BEGIN; UPDATE movies SET name = name WHERE id = 1; ROLLBACK"'
        ssh("db1", f"systemd-run -q --unit=waiter {waiter}")
        until(
            lambda: (
                ssh(
                    "db1",
                    f'{PSQL} -c "SELECT pid FROM pg_stat_activity WHERE wait_event_type ='
                    f" 'Lock' AND now() - query_start > interval '{LOCK_WAIT_SECONDS} s'\"",
                ).out
                != ""
            ),
            "a wait that is long enough to be a problem",
        )
        status = run_fab("status", "--json", "-")
        assert status.code == 2
        assert "1 session of the database must wait for a lock" in problems(status)
        assert f"session {pid} (postgres, night shift" in problems(status)
        assert run_fab("plan").code == 0
    ssh("db1", "systemctl stop waiter 2>/dev/null || true")


# -- the operator's environment

ELSEWHERE = {
    "PGHOSTADDR": "127.0.0.1",
    "PGHOST": "192.0.2.1",
    "PGPORT": "6543",
    "PGSERVICE": "shop",
    "PGUSER": "anna",
    "PGSERVICEFILE": "/nonexistent",
    "PGDATABASE": "shop",
    "PGCHANNELBINDING": "require",
    "PGSSLMODE": "verify-full",
    "PGREQUIREAUTH": "scram-sha-256",
    "PGOPTIONS": "-c statement_timeout=1",
    "PGPASSFILE": "/nonexistent",
    "PGTARGETSESSIONATTRS": "standby",
    "PGREQUIRESSL": "1",
    "PGGSSENCMODE": "require",
    "PGCLIENTENCODING": "LATIN1",
    "PGSSLNEGOTIATION": "direct",
    "PGLOADBALANCEHOSTS": "random",
    "PGMINPROTOCOLVERSION": "3.2",
    "PGTZ": "Mars",
}


def test_the_operators_pg_variables_change_nothing(healed: Deployed, run_inv: Runner) -> None:
    """One variable at a time: tests/ssh/engine/test_forward.py."""
    for task in ("db.status", "db.tune"):
        outcome = run_inv(task, "--json", "-", env=ELSEWHERE)
        assert outcome.code == 0, outcome
    assert json.loads(run_inv("db.status", "--json", "-", env=ELSEWHERE).out)["database"] == "bingo"


def test_the_hosts_pg_variables_change_nothing(healed: Deployed, run_fab: Runner, ssh: Ssh) -> None:
    lines = (
        'PGPORT=6543\\nPGHOST=192.0.2.1\\nPGDATABASE=shop\\nPGOPTIONS="-c statement_timeout=1"\\n'
    )
    ssh("db1", f"cp /etc/environment /run/environment; printf '{lines}' >>/etc/environment")
    try:
        assert run_fab("plan").code == 0
        assert run_fab("status").code == 0
    finally:
        ssh("db1", "cp /run/environment /etc/environment")
