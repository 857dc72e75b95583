"""Hosts as others set them up: a login file that greets, a proxy for everything, umask 027,
folders that an earlier run closed. The first deploy succeeds, and each later answer is an
answer. In a lab of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from deployed import assert_unchanged, complaint, on_each_host
from labtools import Runner, Ssh, as_current, to

from lab import container, hosts
from lab.names import Lab

HOSTS = ("edge1", "edge2", "node1", "db1")
SPOIL = """
umask 027
mkdir -p /srv/app/releases /usr/lib/runbook /etc/runbook /var/lib/runbook
printf '%s\n' http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9 >>/etc/environment
mkdir -p /etc/systemd/system.conf.d
printf '%s\n' '[Manager]' 'DefaultEnvironment=http_proxy=http://127.0.0.1:9' \
>/etc/systemd/system.conf.d/proxy.conf
systemctl daemon-reexec
echo 'proxy = "http://127.0.0.1:9"' >/root/.curlrc
chmod 644 /root/.curlrc
printf '%s\n' 'Defaults umask=0027, umask_override' 'Defaults env_keep += "http_proxy \
https_proxy"' >/etc/sudoers.d/odd
printf '%s\n' 'echo "Welcome to $(hostname), no smoking"' 'printf "and no newline" >&2' \
>~ops/.bashrc
chmod 644 ~ops/.bashrc
usermod -s /bin/bash ops
"""


@pytest.fixture(scope="module")
def odd(lab: Lab) -> Iterator[Lab]:
    with as_current(Lab(lab.number + 1)) as odd:
        hosts.down()
        hosts.up(list(HOSTS), deaths="off", scale=0.01)
        on_each_host(lambda name: to(odd)(name, SPOIL), HOSTS)
        yield odd
        hosts.down()


@pytest.fixture(scope="module")
def ssh(odd: Lab) -> Ssh:
    return to(odd)


@pytest.fixture(scope="module")
def deployed(odd: Lab, run_fab: Runner) -> Lab:
    outcome = run_fab("deploy", timeout=900)
    assert outcome.code == 0, outcome
    assert "Welcome" not in outcome.out
    return odd


def test_the_first_deploy_succeeds_and_the_second_changes_nothing(
    deployed: Lab, run_fab: Runner, ssh: Ssh
) -> None:
    assert_unchanged(run_fab("deploy"))
    modes = ssh(
        "node1",
        "stat -c %a /srv/app /srv/app/releases /srv/app/releases/* /usr/lib/runbook /etc/runbook",
    ).out
    assert {word for word in modes.split() if word.isdigit()} == {"755"}


def test_the_data_are_seeded_once(deployed: Lab, run_inv: Runner, ssh: Ssh) -> None:
    sql = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'bingo'"
    assert (
        ssh("db1", f'runuser -u postgres -- psql -XAtqc "{sql}" 2>/dev/null').out.splitlines()[-1]
        == "runbook: seeded"
    )
    assert_unchanged(run_inv("db.seed"))


def test_the_edges_are_seen_as_they_are(deployed: Lab, run_fab: Runner) -> None:
    status = run_fab("status")
    assert status.code == 0, status
    for edge in ("edge1", "edge2"):  # whichever holds the address
        drained = run_fab("-H", edge, "drain", "--reason", "kernel")
        assert drained.code == 0, drained
        assert "drained, idle" in drained.out
        assert "Welcome" not in drained.out
        assert "did not end" not in drained.out
        assert run_fab("-H", edge, "undrain").code == 0


def test_a_release_whose_folder_somebody_closed_is_opened_again(
    deployed: Lab, run_fab: Runner, ssh: Ssh
) -> None:
    ssh("node1", "chmod 750 /srv/app/releases/* /srv/app")
    outcome = run_fab("deploy")
    assert outcome.code == 0, outcome
    assert_unchanged(run_fab("deploy"))


def test_a_login_that_starts_another_shell_is_named(deployed: Lab, run_fab: Runner) -> None:
    login = Path(f"/proc/{container.find_init_pid(deployed, 'node1')}/root/home/ops/.bashrc")
    before = login.read_text()
    login.write_text(f"{before}echo choose your shell; exec bash -i\n")
    try:
        for task in ("plan", "deploy", "status"):
            started = time.monotonic()
            outcome = run_fab(task)
            assert outcome.code == 4, outcome
            assert time.monotonic() - started < 20
            if task != "status":
                assert "node1 does not run our command" in complaint(outcome).seen
                assert "choose your shell" in complaint(outcome).seen
                assert ".bashrc" in complaint(outcome).next
    finally:
        login.write_text(before)
    assert_unchanged(run_fab("deploy"))
