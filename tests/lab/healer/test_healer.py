"""The healer on real nodes: it sees what ails the app, mends it in time, and never takes both
nodes away."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from deployed import (
    EDGES,
    NODES,
    Deployed,
    Load,
    Variant,
    assert_unchanged,
    on_each_host,
    until,
    wait_until_up,
)
from edgetools import ask
from healing import (
    ILL,
    LEAK,
    UNIT,
    counters,
    now,
    process,
    quiet,
    said,
    says,
    sicken,
    stat,
    tell_edge,
)
from labtools import Runner, Ssh

SOON = 15.0
"""Seconds within which a failed node works again, with the fast start (R2)."""


@pytest.fixture
def well(deployed: Deployed, ssh: Ssh) -> Iterator[Deployed]:
    """Both nodes up and both healers at rest, before and after."""
    wait_until_up(ssh)
    quiet(ssh)
    yield deployed
    on_each_host(lambda node: ssh(node, f"systemctl start {UNIT}"), NODES)
    quiet(ssh)
    wait_until_up(ssh)


def test_it_is_small_and_little_exposed(well: Deployed, ssh: Ssh) -> None:
    script = f"""pid=$(systemctl show -P MainPID {UNIT})
    awk '/VmRSS/ {{ print $2 }}' /proc/$pid/status
    awk '{{ print $14 + $15 }}' /proc/$pid/stat
    ps -o etimes= -p $pid
    systemd-analyze security --no-pager {UNIT} | sed -n 's/.*exposure level for [^:]*: \
\\([0-9.]*\\).*/\\1/p'"""
    rss, ticks, age, exposure = map(float, ssh("node1", script).out.split())
    assert rss < 25_000  # kB
    assert ticks / 100 < 1 + 0.01 * age  # its start, and one percent
    assert exposure < 2


def test_a_crash_is_systemds_to_mend_and_noted(well: Deployed, ssh: Ssh) -> None:
    began, before = now(), counters(ssh, "node1").get("crash", 0)
    ssh("node1", "kill -KILL $(systemctl show -P MainPID bingo)")
    assert says(ssh, "node1", "the app exited; systemd restarted it", began).at - began < SOON
    until(
        lambda: counters(ssh, "node1").get("crash", 0) == before + 1, "the crash to be counted", 5
    )
    assert not [one for one in said(ssh, "node1", began) if one.text.startswith("restart")]


def test_a_hung_app_is_restarted(well: Deployed, ssh: Ssh) -> None:
    began, before = now(), process(ssh, "node1")
    ssh("node1", f"kill -STOP {before}")
    acted = says(ssh, "node1", "^restart: .* did not answer", began)
    done = says(ssh, "node1", r"^restart done \(hang\)", began)
    assert acted.at - began < 7  # 6, and what the machine takes
    assert done.at - began < SOON
    assert process(ssh, "node1") != before
    assert counters(ssh, "node1")["hang"] >= 1


def test_an_app_that_answers_500_is_restarted_and_users_see_nothing(
    well: Deployed, ssh: Ssh
) -> None:
    began = now()
    with Load(well.lab.floating, 40) as load:
        sicken(well.lab, ssh, "node2")
        done = says(ssh, "node2", r"^restart done \(wrong-answers\)", began)
        wait_until_up(ssh)
    assert done.at - began < SOON
    assert [
        call for call in load.failed if call != "/ping: 500"
    ] == []  # that one is an answer (R19)
    assert load.asked > 100


def test_a_leaking_app_is_drained_first(well: Deployed, ssh: Ssh) -> None:
    began, other = now(), process(ssh, "node2")
    with Load(well.lab.floating, 40) as load:
        sicken(well.lab, ssh, "node1", LEAK)
        says(ssh, "node1", r"^recycle: .* it leaks", began)
        says(ssh, "node1", r"^recycle done \(leak\)", began)
        wait_until_up(ssh)
    assert load.failed == []
    assert load.asked > 100
    assert process(ssh, "node2") == other


def test_when_both_are_ill_one_comes_after_the_other(well: Deployed, ssh: Ssh) -> None:
    began = now()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda node: sicken(well.lab, ssh, node, ILL), NODES))
    spans = []
    for node in NODES:
        done = says(ssh, node, "^restart done", began, 45)
        start = max(one.at for one in said(ssh, node, began) if one.text.startswith("restart:"))
        spans.append((start, done.at))
    (_, first_end), (second_begin, second_end) = sorted(spans)
    assert first_end < second_begin
    assert second_end - began < 2 * SOON


def test_a_dead_database_is_not_the_apps_fault(well: Deployed, ssh: Ssh) -> None:
    began, before = now(), on_each_host(lambda node: process(ssh, node), NODES)
    ssh("db1", "systemctl stop postgresql@17-main")
    try:
        sicken(well.lab, ssh, "node1")
        says(ssh, "node1", "no database answers: a restart would not bring it back", began)
        until(lambda: now() - began > 8, "longer than an illness is borne")
        assert on_each_host(lambda node: process(ssh, node), NODES) == before
    finally:
        ssh("db1", "systemctl start postgresql@17-main")
    says(ssh, "node1", "^restart done", began, 30)  # it had an ailment of its own after all
    assert process(ssh, "node2") == before["node2"]


def test_what_a_person_drained_stays_drained_and_is_let_alone(
    well: Deployed, ssh: Ssh, run_fab: Runner
) -> None:
    began, before = now(), process(ssh, "node1")
    assert run_fab("-H", "node1", "drain", "--reason", "disk").code == 0
    try:
        says(ssh, "node1", "the app is well; somebody has drained this node", began)
        sicken(well.lab, ssh, "node1")
        says(ssh, "node1", "^restart put off: .* somebody has drained this node", began)
        assert process(ssh, "node1") == before
        assert f"{', '.join(EDGES)}: holds node1 drained: operator" in run_fab("status").out
    finally:
        assert (
            run_fab("-H", "node1", "undrain").code == 0
        )  # waits for the node: its healer mends it now
    says(ssh, "node1", "^restart done", began)


def test_whoever_kills_it_nothing_stays_drained_and_it_comes_back(well: Deployed, ssh: Ssh) -> None:
    began = now()
    assert tell_edge(well.lab, ssh, "node1", "/", "s=node2&action=drain&b=health") == 403
    assert tell_edge(well.lab, ssh, "node1", "/", "s=node1&action=maint&b=health") == 403
    before = ssh("node1", f"systemctl show -P MainPID {UNIT}").out
    # Killed in the middle of a recycle: drained it is, and nobody is there to put it back.
    ssh("node1", f"systemctl kill -s STOP {UNIT}")
    assert tell_edge(well.lab, ssh, "node1", "/", "s=node1&action=drain&b=health") == 303
    assert stat(ssh, "edge1", "node1") == "DRAIN"
    ssh("node1", f"systemctl kill -s KILL {UNIT}")
    until(lambda: stat(ssh, "edge1", "node1") == "UP", "the drain to be lifted", 15)
    until(
        lambda: ssh("node1", f"systemctl is-active {UNIT}", check=False).out == "active\n",
        "a new healer",
        15,
    )
    assert ssh("node1", f"systemctl show -P MainPID {UNIT}").out != before
    says(ssh, "node1", "the app is well", began)


def test_a_drain_that_was_left_behind_is_lifted_and_never_outlives_a_reload(
    well: Deployed, ssh: Ssh, run_fab: Runner
) -> None:
    ssh("node1", f"systemctl stop {UNIT}")
    began = now()
    assert tell_edge(well.lab, ssh, "node1", "/", "s=node1&action=drain&b=health") == 303
    ssh("node1", f"systemctl start {UNIT}")
    says(ssh, "node1", "^put back at edge1: a previous instance", began)
    until(lambda: stat(ssh, "edge1", "node1") == "UP", "the drain to be lifted", 5)
    ssh("node1", f"systemctl stop {UNIT}")
    assert tell_edge(well.lab, ssh, "node1", "/", "s=node1&action=drain&b=health") == 303
    assert run_fab("-H", "node1", "drain").code == 0  # a person's, on top of it
    began = now()
    ssh("node1", f"systemctl restart {UNIT}")
    says(ssh, "node1", "somebody has drained this node", began)
    assert stat(ssh, "edge1", "node1") == "DRAIN"
    assert run_fab("-H", "node1", "undrain").code == 0
    ssh("node1", f"systemctl stop {UNIT}")
    assert tell_edge(well.lab, ssh, "node1", "/", "s=node1&action=drain&b=health") == 303
    assert stat(ssh, "edge1", "node1") == "DRAIN"
    ssh("edge1", "systemctl reload haproxy")
    until(lambda: stat(ssh, "edge1", "node1") == "UP", "a reload to forget the healer's drain", 10)


def test_a_drain_waits_for_the_other_nodes_healer(
    well: Deployed, ssh: Ssh, run_fab: Runner
) -> None:
    assert tell_edge(well.lab, ssh, "node2", "/lease") == 200
    assert tell_edge(well.lab, ssh, "node1", "/lease") == 409
    codes: list[int] = []
    drain = threading.Thread(target=lambda: codes.append(run_fab("-H", "node1", "drain").code))
    drain.start()
    began = now()
    until(lambda: now() - began > 4, "a drain to have begun", 5)
    assert stat(ssh, "edge1", "node1") == "UP"
    assert tell_edge(well.lab, ssh, "node2", "/release") == 200
    drain.join(30)
    assert codes == [0]
    assert stat(ssh, "edge1", "node1") == "DRAIN"
    assert run_fab("-H", "node1", "undrain").code == 0


def test_before_it_is_old_the_app_is_recycled_and_users_see_nothing(
    well: Deployed, ssh: Ssh, run_fab: Runner, variant: Variant
) -> None:
    began = now()
    assert run_fab("deploy", env=variant(app={"lifetime": 40})).code == 0
    with Load(well.lab.floating, 40) as load:
        spans = [
            (
                says(ssh, node, "^recycle:", began, 90).at,
                says(ssh, node, "^recycle done", began, 30).at,
            )
            for node in NODES
        ]
        assert ask(well.lab.address("edge1"), "/ping").status == 200
    assert load.failed == []
    (_, first_end), (second_begin, _) = sorted(spans)
    assert first_end < second_begin
    assert run_fab("deploy").code == 0
    assert_unchanged(run_fab("deploy"))
