"""Two nodes are one rollout, and nobody notices: not a deploy, not a drain, not a restart."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from deployed import (
    EDGES,
    NODES,
    Deployed,
    Load,
    Variant,
    complaint,
    drained,
    journal,
    starts,
    totals,
    until,
    wait_until_up,
)
from labtools import Runner, Ssh

from fabfile.control.haproxy import drain_script
from lab import hosts


@pytest.fixture
def load(deployed: Deployed, ssh: Ssh) -> Iterator[Load]:
    """Users at work during the whole test; none of them may notice anything."""
    wait_until_up(ssh)
    with Load(deployed.lab.floating) as load:
        yield load
    assert load.failed == []
    assert load.asked > 20


def test_two_named_nodes_are_one_rollout_without_a_failed_request(
    healed: Deployed, load: Load, run_fab: Runner, ssh: Ssh, variant: Variant
) -> None:
    marks = {name: len(journal(ssh, name)) for name in NODES}
    before = {name: starts(ssh, name) for name in NODES}

    outcome = run_fab("-H", "node1,node2", "deploy", env=variant(app={"memory_max": "500M"}))

    assert outcome.code == 0, outcome
    # The unit's file, its restart and the gate, the healer's configuration and its restart, twice.
    assert totals(outcome) | {"host": 2, "changed": 10} == totals(outcome)
    entries = {name: journal(ssh, name)[marks[name] :] for name in NODES}
    runs = {entry["run"] for name in NODES for entry in entries[name]}
    assert len(runs) == 1
    ended, began = entries["node1"][-1], entries["node2"][0]
    assert (ended["event"], began["event"]) == ("changed", "begin")
    assert ended["time"] <= began["time"]
    assert all(starts(ssh, name) != before[name] for name in NODES)
    assert drained(ssh) == []


def test_drain_undrain_and_restart_fail_no_request(
    deployed: Deployed, load: Load, run_fab: Runner, ssh: Ssh
) -> None:
    assert run_fab("-H", "node2", "drain").code == 0
    try:
        assert drained(ssh) == ["node2"]
        refused = run_fab("-H", "node1", "drain")
        assert refused.code == 1
        assert "only app node that edge1 sees up" in complaint(refused).seen
    finally:
        assert run_fab("-H", "node2", "undrain").code == 0
    assert drained(ssh) == []

    before = {name: starts(ssh, name) for name in NODES}
    restarted = run_fab("app.restart", "--reason", "to see it come back")
    assert restarted.code == 0, restarted
    assert [line.split()[0] for line in restarted.out.splitlines()] == ["node1", "node2"]
    assert all(starts(ssh, name) != before[name] for name in NODES)


def test_a_node_left_drained_by_a_dead_deploy_keeps_nobody_from_deploying(
    healed: Deployed, load: Load, run_fab: Runner, ssh: Ssh
) -> None:
    """Killed after node1 was drained; node2 must be restarted, and it would be the last one that
    serves."""
    for edge in EDGES:
        ssh(edge, drain_script("node1", "deploy 20200101T000000-dead00"))
    assert drained(ssh) == ["node1"]
    ssh("node2", "sed -i s/MemoryMax=.*/MemoryMax=1G/ /etc/systemd/system/bingo.service")
    before = starts(ssh, "node2")

    outcome = run_fab("deploy")

    assert outcome.code == 0, outcome
    assert "undrain node1 (an unfinished deploy drained it)" in outcome.out
    assert starts(ssh, "node2") != before
    assert drained(ssh) == []


def test_an_edge_that_is_off_keeps_nobody_from_restarting_the_app(
    deployed: Deployed, run_fab: Runner, ssh: Ssh
) -> None:
    hosts.power_off("edge2")
    try:
        until(lambda: answers(deployed.lab.floating), "the other edge to serve")
        with Load(deployed.lab.floating) as load:
            before = starts(ssh, "node1")
            outcome = run_fab("-H", "node1", "app.restart")
            assert outcome.code == 0, outcome
            assert starts(ssh, "node1") != before
        assert load.failed == []
        assert load.asked > 20
    finally:
        hosts.power_on("edge2")
    wait_until_up(ssh)


def answers(address: str) -> bool:
    """Whether the service can be reached."""
    try:
        socket.create_connection((address, 80), timeout=1).close()
    except OSError:
        return False
    return True


def test_what_an_operator_drained_stays_drained_over_a_deploy(
    healed: Deployed, load: Load, run_fab: Runner, ssh: Ssh
) -> None:
    assert run_fab("-H", "node1", "drain", "--reason", "a look inside").code == 0
    try:
        before = starts(ssh, "node1")
        ssh("node1", "sed -i s/MemoryMax=.*/MemoryMax=1G/ /etc/systemd/system/bingo.service")
        assert run_fab("deploy").code == 0
        assert starts(ssh, "node1") != before
        assert drained(ssh) == ["node1"]
        for edge in EDGES:
            assert "a look inside" in ssh(edge, "cat /var/lib/runbook/drained/node1").out
    finally:
        assert run_fab("-H", "node1", "undrain").code == 0
    wait_until_up(ssh)
