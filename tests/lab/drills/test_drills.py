"""Drills on real hosts: one that holds, one that must not, one that is interrupted, one that is
killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from deployed import Deployed, Variant, until, wait_until_up
from labtools import ROOT, Outcome, Runner, Ssh

from fabfile.drills.faults.hosts import TABLE
from fabfile.drills.faults.undo_timer import UNDO


@pytest.fixture
def well(deployed: Deployed, ssh: Ssh) -> Deployed:
    wait_until_up(ssh)
    return deployed


def result(outcome: Outcome) -> dict[str, Any]:
    """The one result in its JSON."""
    assert outcome.out.startswith("{"), outcome
    (row,) = json.loads(outcome.out)["drills"]
    assert (row["verdict"] == "FAILED") == (outcome.code == 1), outcome.err
    return dict(row)


def failed_gets(row: dict[str, Any]) -> int:
    return sum(
        sum(kinds.values()) for id, kinds in row["failed"].items() if id not in ("R4", "R12", "R13")
    )


def test_an_app_that_is_killed_is_missed_by_nobody(
    well: Deployed, run_fab: Runner, ssh: Ssh
) -> None:
    before = ssh("node1", "systemctl show -p MainPID --value bingo").out
    row = result(run_fab("drill.app-killed", "--json", "-"))
    assert ssh("node1", "systemctl show -p MainPID --value bingo").out != before, (
        "somebody was killed"
    )
    assert row["requests"] > 5 * 120
    assert failed_gets(row) == 0
    assert 0 < row["recover_s"] < 60
    marks = {mark["what"]: mark["t"] for mark in row["marks"]}
    assert marks["fault"] < marks["recovered"] <= len(row["timeline"])
    assert sum(second["ok"] + second["failed"] for second in row["timeline"]) == row["requests"]
    assert "app-killed" in run_fab("drill.history").out


def test_without_retries_the_same_drill_fails(well: Deployed, run_fab: Runner, ssh: Ssh) -> None:
    """So the drill can see; and the balancers' configuration is afterwards what it was."""
    look = "sha256sum /etc/haproxy/haproxy.cfg; ls /etc/haproxy"
    before = ssh("edge1", look).out, ssh("edge2", look).out
    row = result(run_fab("drill.app-hung", "--without", "retries", "--json", "-"))
    assert row["verdict"] == "FAILED", row
    assert row["without"] == "retries"
    assert failed_gets(row) > 0
    assert "failed GETs" in row["why"]
    assert (ssh("edge1", look).out, ssh("edge2", look).out) == before
    assert run_fab("plan").code == 0


@contextmanager
def drill_of_a_cut_node(ssh: Ssh) -> Iterator[subprocess.Popen[str]]:
    """`fab drill.node-cut`, at the moment when the node is cut off."""
    argv = [str(Path(sys.executable).with_name("fab")), "drill.node-cut"]
    process = subprocess.Popen(
        argv,
        cwd=ROOT,
        env=os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        until(lambda: cut(ssh) or process.poll() is not None, "the cut", 60)
        assert cut(ssh), process.communicate()
        yield process
    finally:
        process.kill()
        process.wait()


def cut(ssh: Ssh) -> bool:
    return ssh("node1", f"nft list table netdev {TABLE}", check=False).code == 0


def test_after_ctrl_c_all_is_repaired(well: Deployed, ssh: Ssh) -> None:
    with drill_of_a_cut_node(ssh) as process:
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "the fault was undone" in said
    assert "Traceback" not in said
    assert not cut(ssh)
    assert not ssh("node1", f"systemctl list-units -q --all '{UNDO}*'").out
    wait_until_up(ssh)


def test_after_a_kill_the_host_mends_itself(well: Deployed, run_fab: Runner, ssh: Ssh) -> None:
    """Its timer goes off after minutes; here it is told to do so now."""
    with drill_of_a_cut_node(ssh) as process:
        process.kill()
        process.wait()
    assert cut(ssh)
    assert ssh("node1", f"systemctl is-active {UNDO}.timer").out.strip() == "active"
    ssh("node1", f"systemctl start {UNDO}.service")
    assert not cut(ssh)
    wait_until_up(ssh)


def test_a_site_that_is_no_lab_is_hurt_only_when_really_meant_and_only_so_far(
    well: Deployed, run_fab: Runner, ssh: Ssh, variant: Variant
) -> None:
    """The same hosts by another site file. While the database refuses connections, four requests
    of five fail, after a wait of 6 s."""
    elsewhere = variant()
    refused = run_fab("drill.db-exhausted", env=elsewhere)
    assert refused.code == 1
    assert "--yes-really" in refused.err
    row = result(run_fab("drill.db-exhausted", "--yes-really", "--json", "-", env=elsewhere))
    assert row["verdict"] == "FAILED", row
    assert row["why"].startswith("the error budget was spent"), row["why"]
    marks = {mark["what"]: mark["t"] for mark in row["marks"]}
    assert marks["repaired"] - marks["fault"] < 9, "it would have lasted for 10 s"
    assert ssh("db1", "ls /run/runbook-drill.limit", check=False).code != 0
    off = result(run_fab("drill.node-off", "--yes-really", "--json", "-", env=elsewhere))
    assert (off["verdict"], off["requests"]) == ("not tried", 0)
    assert "power" in off["why"]
