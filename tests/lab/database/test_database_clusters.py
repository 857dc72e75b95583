"""Clusters as Debian and other people leave them: another encoding, none at all, entries of
others beside ours."""

from __future__ import annotations

import json

import pytest
from deployed import Deployed, assert_unchanged, complaint, starts
from labtools import Runner, Ssh

PSQL = "runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1"
UNIT = "postgresql@17-main"
ETC = "/etc/postgresql/17/main"
DATA = "/var/lib/postgresql/17/main"
DROP = f"systemctl stop {UNIT}; pg_dropcluster --stop 17 main"
ENCODING = "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'bingo'"


def test_a_cluster_in_sql_ascii_gets_a_database_in_utf8(
    healed: Deployed, run_fab: Runner, run_inv: Runner, ssh: Ssh
) -> None:
    """As Debian's package makes it where /etc/default/locale says LANG=C."""
    ssh("db1", f"{DROP}; LC_ALL=C pg_createcluster --start 17 main >/dev/null")
    assert ssh("db1", f"{PSQL} -c 'SHOW server_encoding'").out == "SQL_ASCII\n"
    outcome = run_fab("deploy")
    assert outcome.code == 0, outcome
    assert ssh("db1", f'{PSQL} -c "{ENCODING}"').out == "UTF8\n"
    tuned = run_inv("db.tune", "--dry", "--json", "-")
    settings = json.loads(tuned.out)["settings"]
    assert {name for name, values in settings.items() if values["now"] == "?"} == set()
    assert run_inv("db.status").code == 0
    assert run_fab("status").code == 0


def test_a_database_in_sql_ascii_that_was_there_before_works_and_is_told(
    healed: Deployed, run_fab: Runner, run_inv: Runner, ssh: Ssh
) -> None:
    ssh("db1", f"{PSQL} -c 'DROP DATABASE bingo WITH (FORCE)'")
    create = (
        "CREATE DATABASE bingo OWNER bingo TEMPLATE template0 ENCODING SQL_ASCII LC_COLLATE 'C'"
        " LC_CTYPE 'C'"
    )
    ssh("db1", f'{PSQL} -c "{create}"')
    try:
        outcome = run_fab("deploy")
        assert outcome.code == 0, outcome
        for task in ("db.status", "db.seed", "db.indexes"):
            done = run_inv(task)
            assert done.code == 0, done
        status = run_fab("status")
        assert status.code == 2
        assert "database bingo is encoded in SQL_ASCII, not UTF8" in " ".join(status.out.split())
    finally:
        ssh("db1", f"{PSQL} -c 'DROP DATABASE bingo WITH (FORCE)'")


@pytest.mark.parametrize(
    "left", ["true", f"mkdir -p {ETC}/conf.d; echo work_mem=1MB >{ETC}/conf.d/50-runbook.conf"]
)
def test_no_cluster_is_made_one_that_reads_our_settings(
    healed: Deployed, run_fab: Runner, ssh: Ssh, left: str
) -> None:
    """createcluster.conf says no, or it was dropped; a run before this one may have made its
    conf.d."""
    ssh("db1", f"{DROP}; {left}")
    plan = run_fab("plan")
    assert plan.code == 2, plan
    assert "create cluster 17/main, encoded in UTF-8" in plan.out
    assert "create role bingo" in plan.out, "an empty cluster has none"
    outcome = run_fab("deploy")
    assert outcome.code == 0, outcome
    assert ssh("db1", f"grep -c '^include_dir' {ETC}/postgresql.conf").out == "1\n"
    assert (
        ssh("db1", f"{PSQL} -c 'SHOW shared_buffers' -c 'SHOW server_encoding'").out
        == "512MB\nUTF8\n"
    )


def test_data_without_configuration_and_the_other_way_round_are_left_to_a_person(
    healed: Deployed, run_fab: Runner, ssh: Ssh
) -> None:
    for move, says in ((DATA, f"{DATA} holds no database"), (ETC, f"{DATA} is in use, but")):
        ssh("db1", f"systemctl stop {UNIT}; mv {move} /var/tmp/kept")
        try:
            for task in ("plan", "deploy"):
                outcome = run_fab(task)
                assert outcome.code == 1, outcome
                assert says in complaint(outcome).seen
        finally:
            ssh(
                "db1",
                f"rm -rf {move}; mv /var/tmp/kept {move}; systemctl reset-failed {UNIT}; systemctl"
                f" start {UNIT}",
            )


OTHERS = "host    shop  shop  10.0.0.0/8  scram-sha-256\nlocal   all   all   peer\n"


def test_entries_of_others_stay_and_a_new_one_of_ours_needs_no_restart(
    healed: Deployed, run_fab: Runner, ssh: Ssh
) -> None:
    hba, ident = f"{ETC}/pg_hba.conf", f"{ETC}/pg_ident.conf"
    ssh(
        "db1",
        f"cp -p {hba} {ident} /run/; printf '{OTHERS}' >{hba}; echo 'shop anna shop' >{ident};"
        f" chown postgres: {hba} {ident}",
    )
    ssh("db1", f"systemctl reload {UNIT}")
    before = starts(ssh, "db1")
    try:
        plan = run_fab("plan")
        assert plan.code == 2
        assert "keep 2 lines of others" in plan.out
        outcome = run_fab("deploy")
        assert outcome.code == 0, outcome
        assert f"reload {UNIT}" in outcome.out
        assert starts(ssh, "db1") == before, "no restart"
        text = ssh("db1", f"cat {hba}").out
        assert text.startswith("# BEGIN runbook")
        assert text.endswith(f"# END runbook\n{OTHERS}"), "theirs are as they were, below ours"
        # theirs let clients in over the network: they must not reach the app's database by that
        assert "host    bingo           all             all                     reject\n" in text
        assert ssh("db1", f"cat {ident}").out.endswith("# END runbook\nshop anna shop\n")
        assert_unchanged(run_fab("deploy"))
    finally:
        ssh("db1", f"cp -p /run/pg_hba.conf /run/pg_ident.conf {ETC}/; systemctl reload {UNIT}")
