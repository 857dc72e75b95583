"""Trap 5: Fabric makes `-H a,b TASK` one serial call per host that stops at the first failure,
without a summary."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sshhost import ROOT, Host, fab, write_site


@pytest.fixture
def pair(tmp_path: Path, site: Path, host: Host, other: Host) -> Path:
    """A site of two hosts, and a third that is not there."""
    known = tmp_path / "known_hosts"
    known.write_text(host.known_hosts.read_text() + other.known_hosts.read_text())
    ssh = {
        "user": "ops",
        "key": str(host.key),
        "known_hosts": str(known),
        "port": host.port,
        "timeout": 2,
    }
    roles = {
        "one": (host.address, ["app"]),
        "two": (other.address, ["edge"]),
        "gone": ("127.77.0.9", ["postgres"]),
    }
    return write_site(tmp_path, roles, **ssh)


def test_several_hosts_are_one_call(pair: Path, host: Host, other: Host) -> None:
    before = host.sessions(), other.sessions()
    done = fab(pair, "-H", "one,two", "plan", "--json", "-")
    report = json.loads(done.stdout)  # one report: one call
    assert [entry["host"] for entry in report["hosts"]] == ["one", "two"]
    assert report["sessions"] == host.sessions() + other.sessions() - sum(before)
    assert "plan: 2 hosts" in done.stderr.splitlines()[-1]


def test_one_host_that_fails_does_not_hide_the_others(pair: Path) -> None:
    done = fab(pair, "-H", "gone,one,two", "plan")
    assert done.returncode == 4
    table = done.stdout.splitlines()
    assert any(line.startswith("gone") and "unreachable" in line for line in table)
    assert re.search(r"^one +would create directory /var/lib/runbook$", done.stdout, re.M)
    assert re.search(r"^two +would create directory /var/lib/runbook$", done.stdout, re.M)
    assert "gone (127.77.0.9 port" in done.stdout
    assert "plan: 3 hosts" in table[-2]
    assert table[-1].startswith("next: fab incident.db-down ")  # the lost host is the database's


def test_one_host_that_fails_keeps_a_deploy_from_beginning_anywhere(pair: Path, host: Host) -> None:
    done = fab(pair, "-H", "gone,one", "deploy")
    assert done.returncode == 4
    assert not (host.files / "var/lib/runbook").exists()


def test_only_the_named_hosts_are_touched(pair: Path, host: Host, other: Host) -> None:
    before = other.sessions()
    fab(pair, "-H", "one", "plan")
    assert other.sessions() == before


def test_an_unknown_host_is_one_clear_message(pair: Path) -> None:
    done = fab(pair, "-H", "one,tow", "deploy")
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "✗ there is no host called tow"
    assert "one, two, gone" in done.stderr


def test_loose_commands_are_refused(pair: Path) -> None:
    done = fab(pair, "-H", "one", "status", "--", "true")
    assert done.returncode == 1
    assert "runs tasks, not shell commands" in done.stderr + done.stdout


def test_a_reader_that_leaves_early_is_no_error(pair: Path) -> None:
    """`fab status | head -1`."""
    program = Path(sys.executable).parent / "fab"
    environment = {**os.environ, "SITE": str(pair)}
    command = ["sh", "-c", f"{program} -H one,two status | head -c 1"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=20
    )
    assert (len(done.stdout), done.stderr) == (1, "")
