"""The edge's daemons: they come back whatever ends them, remember who is drained, and can do
little beyond their work."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from deployed import Deployed, seen_by, until, wait_until_up
from edgetools import ask
from labtools import Runner, Ssh

from fabfile.control import haproxy_stats

EXPOSURE = 2.5


@pytest.fixture
def edge(deployed: Deployed, ssh: Ssh) -> Iterator[str]:
    """edge1's own address."""
    wait_until_up(ssh)
    yield deployed.lab.address("edge1")
    wait_until_up(ssh)


@pytest.mark.parametrize("unit", ["nginx", "haproxy"])
@pytest.mark.parametrize("host", ["edge1", "edge2"])
def test_a_daemon_is_little_exposed(deployed: Deployed, ssh: Ssh, host: str, unit: str) -> None:
    said = ssh(host, f"systemd-analyze security --no-pager {unit}.service").out
    score = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert score, said
    assert float(score[1]) <= EXPOSURE


def test_nobody_who_serves_is_root(deployed: Deployed, ssh: Ssh) -> None:
    """Only nginx's master, which never sees a request."""
    processes = ssh(
        "edge1", "ps -eo user=,args= | grep -E '[n]ginx: |[/]sbin/haproxy'"
    ).out.splitlines()
    root = [line for line in processes if line.startswith("root ")]
    assert len(root) == 1, processes
    assert "nginx: master process" in root[0]
    assert len(processes) >= 4  # with a worker, HAProxy's master and its worker


@pytest.mark.parametrize(
    ("unit", "victim"),
    [
        ("nginx", "cat /run/nginx.pid"),
        ("nginx", "pgrep -n -f 'nginx: worker process'"),
        ("haproxy", "pgrep -o -x haproxy"),
        ("haproxy", "pgrep -n -x haproxy"),
    ],
    ids=["nginx-master", "nginx-worker", "haproxy-master", "haproxy-worker"],
)
def test_a_killed_daemon_serves_again(edge: str, ssh: Ssh, unit: str, victim: str) -> None:
    kill(edge, ssh, victim)
    assert ssh("edge1", f"systemctl is-active {unit}").out == "active\n"


def test_it_is_started_as_often_as_it_takes(edge: str, ssh: Ssh) -> None:
    """systemd's own limit is 5 starts in 10 s; after that a unit stays down."""
    for _ in range(7):
        kill(edge, ssh, "cat /run/nginx.pid")


def kill(edge: str, ssh: Ssh, victim: str) -> None:
    """The process whose number the shell command `victim` prints dies without a chance to say or
    save anything; another takes its place and serves. (Without their master, workers serve on
    for a moment.)"""
    before = ssh("edge1", victim).out
    ssh("edge1", f"kill -9 {before}")

    def reborn() -> bool:
        return ssh("edge1", victim, check=False).out not in ("", before) and serves(edge)

    until(reborn, f"another process than the one that {victim!r} named, and its answer", 5)


def serves(edge: str) -> bool:
    """Whether a request through nginx and HAProxy gets its answer."""
    try:
        return ask(edge, "/ping", timeout=2).status == 200
    except OSError:
        return False


HAPROXY = "pgrep -o -x haproxy"


def test_haproxy_is_started_once_while_it_is_looked_at(edge: str, ssh: Ssh) -> None:
    """Who asks for its figures in the moment without its socket must not put anything in that
    place."""
    look = (
        f"for _ in $(seq 100); do ({haproxy_stats.stat_script()}) >/dev/null 2>&1 || true; sleep"
        " 0.02; done\n"
    )
    restarts = "systemctl show -P NRestarts haproxy\n"
    before, after = ssh("edge1", f"{restarts}kill -9 $({HAPROXY})\n{look}{restarts}").out.split()
    assert int(after) == int(before) + 1
    until(lambda: serves(edge), "an answer through HAProxy", 5)


def test_a_drain_outlives_a_crash_and_so_does_its_end(edge: str, ssh: Ssh, run_fab: Runner) -> None:
    assert run_fab("-H", "node1", "drain", "--reason", "test").code == 0
    try:
        kill(edge, ssh, HAPROXY)
        assert seen_by(ssh, "edge1")["node1"].startswith("DRAIN")
        ssh("edge1", "systemctl reload haproxy")
    finally:
        assert run_fab("-H", "node1", "undrain").code == 0
    kill(edge, ssh, HAPROXY)
    until(lambda: seen_by(ssh, "edge1")["node1"] == "UP", "node1 back in service", 10)
