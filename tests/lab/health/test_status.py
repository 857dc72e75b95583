"""`fab status` and its neighbours on hosts with something wrong: the cause is named, with the
command to type."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator

import pytest
from deployed import Deployed, complaint, until
from labtools import Outcome, Runner, Ssh

ROTATION = "runbook-logrotate"
HEALER = "runbook-healer"
MASKED = ("node1", HEALER), ("edge1", "haproxy"), ("node1", f"{ROTATION}.timer")


@pytest.fixture
def well(deployed: Deployed, run_fab: Runner) -> Deployed:
    """The deployed lab, all of it well."""
    until(lambda: run_fab("status").code == 0, "the lab to be well", 90)
    return deployed


def problems(outcome: Outcome) -> dict[str, str]:
    """Each problem shown, with the command below it."""
    return dict(re.findall(r"^[✗!] (.+)\n {4}(.+)$", outcome.out, re.M))


@contextlib.contextmanager
def mounted(ssh: Ssh, host: str, folder: str, options: str, fill: str) -> Iterator[None]:
    """A small file system over `folder`, filled by the script `fill`; what lies below stays open
    to whoever has it open."""
    ssh(host, f"mount -t tmpfs -o {options} tmpfs {folder}")
    try:
        ssh(host, f"cd {folder}; {fill}")
        yield
    finally:
        ssh(host, f"umount -l {folder}")


BYTES = "dd if=/dev/zero of=ballast bs=4k 2>/dev/null || true"
FILES = 'i=0; while touch "ballast$i"; do i=$((i + 1)); done 2>/dev/null || true'


@pytest.mark.parametrize(
    ("host", "folder", "options", "fill", "said", "typed"),
    [
        ("edge1", "/var/log", "size=1m", BYTES, "is full: ", "df -h /var/log"),
        (
            "node1",
            "/var/lib/runbook",
            "nr_inodes=64",
            FILES,
            "has no inode left",
            "df -i /var/lib/runbook",
        ),
        ("db1", "/var/lib/postgresql", "size=1m", BYTES, "is full: ", "df -h /var/lib/postgresql"),
    ],
)
def test_a_file_system_that_is_full(
    well: Deployed,
    run_fab: Runner,
    ssh: Ssh,
    host: str,
    folder: str,
    options: str,
    fill: str,
    said: str,
    typed: str,
) -> None:
    with mounted(ssh, host, folder, options, fill):
        outcome = run_fab("status")
        assert outcome.code == 2, outcome
        ((message, command),) = [
            one for one in problems(outcome).items() if f"system {folder} {said}" in one[0]
        ]
        assert message.startswith(f"{host}: ")
        assert re.search(r"^next: fab incident\.(disk-full|triage) ", outcome.out, re.M)
        assert typed in command
        assert len([line for line in outcome.out.splitlines() if line.startswith(f"{host} ")]) == 1


def test_a_read_only_file_system(well: Deployed, run_fab: Runner, ssh: Ssh) -> None:
    with mounted(ssh, "node2", "/srv/app", "size=1m", "mount -o remount,ro /srv/app"):
        outcome = run_fab("status")
        assert outcome.code == 2, outcome
        assert "node2: the file system /srv/app is read-only (the app's releases)" in problems(
            outcome
        )


def test_a_lock_that_cannot_be_written_for_want_of_inodes(
    well: Deployed, run_fab: Runner, ssh: Ssh
) -> None:
    with mounted(ssh, "node1", "/var/lib/runbook", "nr_inodes=64", FILES):
        outcome = run_fab("-H", "node1", "app.restart")
        assert outcome.code == 1
        assert "df -i /var/lib/runbook" in complaint(outcome).next


@pytest.mark.parametrize(("host", "unit"), MASKED)
def test_a_unit_masked_in_run(
    well: Deployed, run_fab: Runner, ssh: Ssh, host: str, unit: str
) -> None:
    ssh(host, f"systemctl mask --runtime {unit}")
    try:
        status, plan = run_fab("status"), run_fab("plan")
    finally:
        ssh(host, f"systemctl unmask --runtime {unit}")
    name = unit if "." in unit else f"{unit}.service"
    assert status.code == 2, status
    (found,) = problems(status).items()
    assert found[0].startswith(f"{host}: {name} is masked in /run: it cannot start; it still runs")
    assert f"systemctl unmask --runtime {name}" in found[1]
    assert plan.code == 1
    assert complaint(plan).seen == f"{name} is masked in /run"


def test_a_rotation_that_fails_is_seen_while_the_log_is_small(
    well: Deployed, run_fab: Runner, ssh: Ssh
) -> None:
    state = "/var/lib/runbook/logrotate.state"
    ssh("node1", f"rm -f {state}; mkdir {state}; systemctl start {ROTATION} || true")
    try:
        status = run_fab("status")
        checked = run_fab("check", "--quick", "--json", "-")
    finally:
        ssh("node1", f"rmdir {state}; systemctl start {ROTATION}")
    assert status.code == 2, status
    (message,) = problems(status)
    assert message.startswith(f"node1: {ROTATION}.service has failed (exit-code 3) since ")
    assert message.endswith(
        f"the app's log is not rotated: error opening state file {state}: Is a directory"
    )
    (row,) = [row for row in json.loads(checked.out)["rows"] if row["id"] == "R22"]
    assert row["verdict"] == "failed"
    assert f"node1: the last rotation failed: error opening state file {state}" in row["why"]
    assert run_fab("status").code == 0


def test_a_node_without_its_healer_is_not_called_well(
    well: Deployed, run_fab: Runner, ssh: Ssh
) -> None:
    started = int(
        ssh("node1", f'date -d "$(systemctl show -P ActiveEnterTimestamp {HEALER})" +%s').out
    )
    ssh("node1", f"systemctl stop {HEALER}")
    try:
        restarted, status = run_fab("-H", "node1", "app.restart"), run_fab("status")
        report = json.loads(run_fab("status", "--json", "-").out)
    finally:
        assert run_fab("-H", "node1", "deploy").code == 0
    assert restarted.code == 2
    assert "node1    restarted, serving" in restarted.out
    assert status.code == 1
    for outcome in (restarted, status):
        ((message, typed),) = problems(outcome).items()
        assert re.match(
            rf"node1: {HEALER}\.service is inactive since .*\((\d+) s ago\): nothing restarts",
            message,
        )
        assert typed == "fab -H node1 deploy"
    stamp = ssh("node1", f"date -u -d @{started} +%H:%M:%S").out.strip()
    assert stamp not in status.out, "since when it is off, not when it had started"
    assert "the app is well" not in status.out, "its last words are not about now"
    node1 = next(host for host in report["hosts"] if host["host"] == "node1")
    assert node1["healer"] == ""
    assert node1["units"][f"{HEALER}.service"].startswith("inactive, ")


def test_status_is_one_line_a_host_and_one_session_each(well: Deployed, run_fab: Runner) -> None:
    outcome = run_fab("status")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert [line.split()[0] for line in lines[:6]] == [
        "host",
        "edge1",
        "edge2",
        "node1",
        "node2",
        "db1",
    ]
    for subject in ("certificate", "clocks", "app's log", "last deploy", "alerts"):
        assert any(line.startswith(subject) for line in lines[6:-1]), subject
    assert "✗" not in outcome.out
    assert "5 hosts · all well" in outcome.out
    assert outcome.out.rstrip().endswith("5 ssh sessions")
    verbose = run_fab("status", "-v")
    assert re.search(r"^node1 +bingo\.service +active, \d+ restarts?, since ", verbose.out, re.M)


def test_a_key_that_nginx_cannot_read(well: Deployed, run_inv: Runner, ssh: Ssh) -> None:
    ssh("edge1", "chmod 000 /etc/nginx/tls/current/key.pem")
    outcome = run_inv("certs.status")
    assert outcome.code == 2, outcome
    assert re.search(r"^edge1 .* broken ", outcome.out, re.M)
    assert re.search(r"^edge2 .* right ", outcome.out, re.M)
    assert "(inv certs.renew)" in outcome.out
    assert run_inv("certs.renew").code == 0
    assert run_inv("certs.status").code == 0
