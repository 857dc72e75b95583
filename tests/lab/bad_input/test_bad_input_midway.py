"""Deploys that meet each other, and Ctrl-C: exit codes, messages, locks; the next deploy
converges."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from deployed import Deployed, Variant, complaint, drained, journal, until, wait_until_up
from labtools import ROOT, Outcome, Runner, Ssh

from lab.names import HOSTS


class Deploy:
    """`fab deploy` with something to do on both nodes, as a process of its own."""

    def __init__(self, env: dict[str, str], *args: str) -> None:
        self.process = subprocess.Popen(
            [str(Path(sys.executable).with_name("fab")), "deploy", *args],
            cwd=ROOT,
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def outcome(self) -> Outcome:
        """Its end."""
        out, err = self.process.communicate(timeout=120)
        return Outcome(out, err, self.process.returncode)


class Begin(Protocol):
    """Starts a deploy and stops it, as by a laptop's lid, once it has done something to a file
    of a host."""

    def __call__(self, host: str, path: str) -> Deploy: ...


@pytest.fixture
def begin(healed: Deployed, variant: Variant, ssh: Ssh) -> Iterator[Begin]:
    wait_until_up(ssh)
    begun: list[Deploy] = []

    def start(host: str, path: str) -> Deploy:
        file = (
            healed.lab.host_folder(host) / "root" / path.lstrip("/")
        )  # seen from outside, without a delay
        before = stamp(file)
        begun.append(Deploy(variant(app={"memory_max": "500M"}), "--reason", "more memory"))
        until(lambda: stamp(file) != before, f"the deploy to reach {host}:{path}")
        begun[0].send(signal.SIGSTOP)
        return begun[0]

    yield start
    for deploy in begun:
        deploy.process.kill()
        deploy.process.wait()


def stamp(file: Path) -> tuple[int, int]:
    """Changes when the file does."""
    return (file.stat().st_ino, file.stat().st_size) if file.exists() else (0, 0)


RESTARTED = {
    "/etc/runbook/healer.conf": "runbook-healer.service",
    "/etc/systemd/system/bingo.service": "bingo.service",
}
"""What more memory for the app changes on a node, and what is restarted for it."""

LOCK, JOURNAL = "/var/lib/runbook/lock", "/var/log/runbook/journal.jsonl"


def locks(ssh: Ssh) -> list[str]:
    return [name for name in HOSTS if ssh(name, f"test -e {LOCK}", check=False).code == 0]


def test_a_second_deploy_is_refused_and_told_who_holds_the_first(
    begin: Begin, run_fab: Runner, ssh: Ssh
) -> None:
    running = begin("node1", JOURNAL)
    assert locks(ssh) == list(HOSTS)
    ssh("node2", "chmod 0700 /usr/lib/runbook")  # so that the second has something to do
    second = run_fab("deploy")
    assert second.code == 3
    assert "is locked by" in complaint(second).seen
    assert "deploy (more memory), since 20" in complaint(second).seen
    assert "--take-over" in complaint(second).next
    assert "more memory" in run_fab("status").out
    assert run_fab("plan").code == 2  # looking is always allowed

    running.send(signal.SIGCONT)
    first = running.outcome()
    assert first.code == 0, first
    assert locks(ssh) == []


def test_a_deploy_that_was_taken_over_stops_at_its_next_change(
    begin: Begin, run_fab: Runner, ssh: Ssh
) -> None:
    running = begin("node2", LOCK)  # the last one it takes
    ssh("node2", "chmod 0700 /usr/lib/runbook")
    taken = run_fab("deploy", "--take-over", "--reason", "the other one sleeps")
    assert taken.code == 0, taken
    assert locks(ssh) == []
    lines = {name: len(journal(ssh, name)) for name in HOSTS}

    running.send(signal.SIGCONT)
    outcome = running.outcome()

    assert outcome.code == 3, outcome
    assert "no longer held by this run" in complaint(outcome).seen
    assert {name: len(journal(ssh, name)) for name in HOSTS} == lines
    assert drained(ssh) == []


def test_ctrl_c_ends_the_step_in_hand_and_no_other_begins(
    begin: Begin, run_fab: Runner, ssh: Ssh
) -> None:
    running = begin("node1", JOURNAL)
    running.send(signal.SIGCONT)
    until(
        lambda: "\nState:\tT" not in Path(f"/proc/{running.process.pid}/status").read_text(),
        "it to run on",
    )
    running.send(signal.SIGINT)
    outcome = running.outcome()

    assert outcome.code == 130
    assert complaint(outcome).seen == "interrupted"
    assert complaint(outcome).next.startswith("fab plan")
    assert "finishing the current step" in outcome.err
    assert locks(ssh) == []
    assert drained(ssh) == []
    told = journal(ssh, "node1")
    mine = [entry for entry in told if entry["run"] == told[-1]["run"]]
    assert [entry["event"] for entry in mine] == ["begin", "changed"] * (len(mine) // 2)
    assert (
        ssh("node2", "grep MemoryMax= /etc/systemd/system/bingo.service").out == "MemoryMax=512M\n"
    )
    changed, status = (
        {entry["step"] for entry in mine if entry["event"] == "changed"},
        run_fab("status").out,
    )
    for file, unit in RESTARTED.items():
        pending = f"file {file}" in changed and f"unit {unit}" not in changed
        assert (f"node1: pending restart of {unit}" in status) == pending, (changed, status)
