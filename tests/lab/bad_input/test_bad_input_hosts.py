"""Hosts on which something is in the way: it is named, what served goes on serving, and the next
deploy converges."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest
from deployed import (
    Deployed,
    Variant,
    complaint,
    complaints,
    drained,
    files,
    starts,
    until,
    wait_until_up,
)
from labtools import Runner, Ssh

SERVED = (200, b"pong")
PSQL = "runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 -d bingo"


@pytest.fixture(scope="module")
def port(deployed: Deployed, ssh: Ssh) -> int:
    """Where the app serves."""
    return int(ssh("node2", "ss -Hltnp | sed -n 's/.*:\\([0-9]*\\) .*\"bingo\".*/\\1/p'").out)


def ask_as_user(deployed: Deployed) -> tuple[int, bytes]:
    """Status and body of what a user gets."""
    with contextlib.closing(
        http.client.HTTPConnection(deployed.lab.floating, timeout=10)
    ) as connection:
        connection.request("GET", "/ping")
        answer = connection.getresponse()
        return answer.status, answer.read()


@contextlib.contextmanager
def squatter(ssh: Ssh, host: str, number: int, unit: str) -> Iterator[None]:
    """Something else listens at this port of the host, instead of `unit`."""
    ssh(
        host,
        f"systemctl stop {unit}; systemd-run -q --unit=squatter systemd-socket-activate --accept"
        f" --inetd -l {number} /bin/cat",
    )
    try:
        until(lambda: f":{number} " in ssh(host, "ss -ltn").out, "the squatter")
        yield
    finally:
        ssh(host, "systemctl stop squatter")


def holder(ssh: Ssh, host: str) -> str:
    """The squatter, as it is named."""
    return (
        "squatter.service (systemd-socket-, pid"
        f" {ssh(host, 'systemctl show -P MainPID squatter').out.strip()})"
    )


def test_a_port_of_the_app_that_is_taken(
    healed: Deployed, port: int, run_fab: Runner, ssh: Ssh
) -> None:
    with squatter(ssh, "node1", port, "bingo"):
        outcome = run_fab("deploy")
        assert outcome.code == 1
        assert complaint(outcome).seen == f"node1: port {port} is held by {holder(ssh, 'node1')}"
        assert "systemctl disable --now squatter.service" in complaint(outcome).next
        assert ask_as_user(healed) == SERVED


def test_a_port_that_is_taken_before_a_release_was_ever_tried(
    healed: Deployed, port: int, run_fab: Runner, ssh: Ssh, variant: Variant, tmp_path: Path
) -> None:
    with squatter(ssh, "node1", port, "bingo"):
        outcome = run_fab("deploy", env=another(healed, variant, tmp_path))
        assert outcome.code == 1
        assert f":{port}, which" in complaint(outcome).seen
        assert "holds" in complaint(outcome).seen
        assert "ss -ltnp" in complaint(outcome).next
        assert ask_as_user(healed) == SERVED


def another(deployed: Deployed, variant: Variant, folder: Path) -> dict[str, str]:
    """The same program with another sha256 (a few bytes behind its end)."""
    return with_binary(variant, folder, (deployed.lab.folder / "bingo").read_bytes() + b"padding")


def with_binary(variant: Variant, folder: Path, content: bytes) -> dict[str, str]:
    path = folder / "binary"
    path.write_bytes(content)
    path.chmod(0o755)
    return variant(app={"binary": str(path), "sha256": hashlib.sha256(content).hexdigest()})


def test_the_port_of_the_edge_that_is_taken(healed: Deployed, run_fab: Runner, ssh: Ssh) -> None:
    with squatter(ssh, "edge1", 80, "nginx"):
        outcome = run_fab("deploy")
        assert outcome.code == 1
        assert complaint(outcome).seen == f"edge1: port 80 is held by {holder(ssh, 'edge1')}"
        assert ask_as_user(healed) == SERVED  # by the other edge


BINARIES = {
    "exits at once": ("#!/bin/sh\nexit 7\n", "ends with exit 7"),
    "exits well at once": ("#!/bin/sh\n", "ends"),
    "asks for a licence": (
        "#!/bin/sh\necho 'fatal: licence key required' >&2\nexit 1\n",
        "licence key required",
    ),
    "is no program": ("hello\n", ""),
}


@pytest.mark.parametrize("case", BINARIES)
def test_a_binary_that_does_not_serve(
    healed: Deployed, run_fab: Runner, ssh: Ssh, variant: Variant, tmp_path: Path, case: str
) -> None:
    text, said = BINARIES[case]
    before = files(ssh, "node1", "/etc /opt"), starts(ssh, "node1"), starts(ssh, "node2")
    outcome = run_fab("deploy", env=with_binary(variant, tmp_path, text.encode()))
    assert outcome.code == 1
    assert said in complaint(outcome).seen
    assert (files(ssh, "node1", "/etc /opt"), starts(ssh, "node1"), starts(ssh, "node2")) == before
    assert ask_as_user(healed) == SERVED


def test_a_database_that_is_down_and_may_not_start(
    healed: Deployed, run_fab: Runner, ssh: Ssh
) -> None:
    unit = "postgresql@17-main"
    ssh("db1", f"systemctl mask --now {unit} 2>/dev/null")
    try:
        for task in ("plan", "deploy"):
            outcome = run_fab(task)
            assert outcome.code == 1
            assert f"{unit}.service is masked" in complaints(outcome)[0].seen
            assert f"systemctl unmask {unit}.service;" in complaints(outcome)[0].next
    finally:
        ssh("db1", f"systemctl unmask {unit} 2>/dev/null")
    assert run_fab("plan").code == 2  # it is still down: the deploy starts it


@contextlib.contextmanager
def small(ssh: Ssh, host: str, folder: str, megabytes: int) -> Iterator[None]:
    """`folder` on a disk of its own that is soon full."""
    ssh(host, f"mkdir -p {folder}; mount -t tmpfs -o size={megabytes}m tmpfs {folder}")
    try:
        yield
    finally:
        ssh(host, f"umount {folder}")


def test_a_database_that_is_full(
    healed: Deployed, run_fab: Runner, run_inv: Runner, ssh: Ssh
) -> None:
    with small(ssh, "db1", "/mnt/small", 2):
        ssh("db1", "chown postgres: /mnt/small")
        ssh("db1", f"{PSQL} -c \"CREATE TABLESPACE small LOCATION '/mnt/small'\"")
        ssh(
            "db1",
            f"{PSQL} -c 'ALTER DATABASE bingo SET default_tablespace = small' -c 'DROP INDEX"
            " sessions_id'",
        )
        try:
            outcome = run_fab("deploy")
            assert outcome.code == 1
            assert "PostgreSQL refused: could not extend file" in complaints(outcome)[0].seen
            assert "No space left on device" in complaints(outcome)[0].seen
            assert complaints(outcome)[0].why.strip() == "the statement had no effect"
            assert run_inv("db.status").code == 2
            assert ask_as_user(healed) == SERVED
        finally:
            ssh(
                "db1",
                f"{PSQL} -c 'ALTER DATABASE bingo RESET default_tablespace' -c 'DROP INDEX"
                " sessions_id'",
            )
            ssh("db1", f"{PSQL} -c 'DROP TABLESPACE small'")


def test_a_disk_that_is_full_during_the_upload(
    healed: Deployed, run_fab: Runner, ssh: Ssh, variant: Variant, tmp_path: Path
) -> None:
    env = another(healed, variant, tmp_path)
    with small(ssh, "node1", "/srv/app/releases", 4):
        outcome = run_fab("deploy", env=env)
        assert outcome.code == 1
        assert "No space left on device" in complaint(outcome).seen
        assert ssh("node1", "find /srv/app/releases -type f").out == ""  # no half of it either
        assert ask_as_user(healed) == SERVED
    assert drained(ssh) == []


def test_a_disk_that_is_full_for_everything(
    healed: Deployed, run_fab: Runner, ssh: Ssh, variant: Variant
) -> None:
    """Not even the lock can be written."""
    with small(ssh, "node2", "/var/lib/runbook", 1):
        ssh("node2", "dd if=/dev/zero of=/var/lib/runbook/ballast bs=4k 2>/dev/null || true")
        outcome = run_fab("-H", "node2", "deploy", env=variant(app={"memory_max": "500M"}))
        assert outcome.code == 1
        assert "node2: the lock could not be written" in complaint(outcome).seen
        assert "df -h" in complaint(outcome).next
    wait_until_up(ssh)
