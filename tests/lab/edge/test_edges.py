"""Two edges, one address: asked to, it moves without a lost request."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from deployed import Deployed, complaint, journal, until
from floating import EDGES, Download, holder, holders, leftovers, other, vip
from labtools import ROOT, Runner, Ssh
from users import Users

from fabfile.control.edge_drain import EDGE_DRAINED, drain_edge_script
from lab.names import Lab


def test_six_planned_moves_fail_no_request(floating: Lab, ssh: Ssh, run_fab: Runner) -> None:
    with Users(vip(floating)) as users:
        for _ in range(6):
            giver = holder(floating, ssh)
            drained = run_fab("-H", giver, "drain", "--reason", "a look inside")
            assert drained.code == 0, drained
            assert holder(floating, ssh) == other(giver)
            assert leftovers(floating, ssh, giver) == leftovers(floating, ssh, other(giver)) == ""
            assert run_fab("-H", giver, "undrain").code == 0
            assert holder(floating, ssh) == other(giver)
        seen = json.loads(run_fab("top", "--json", "-").out)
    assert {row["edge"]: row["state"] for row in seen["edges"]} == {
        giver: "stands by",
        other(giver): "holds the address",
    }
    rates = {row["endpoint"]: row["requests"] for row in seen["endpoints"]}
    assert 10 < rates["movie"] < 50, rates  # the users ask 30 times a second
    print(
        f"\nsix planned moves: {users.asked} requests, {dict(users.failed)} failed, longest gap"
        f" {users.gap:.3f} s"
    )
    assert users.asked > 1000
    assert users.failed == {}


def test_a_drained_edge_is_on_record_and_the_last_one_stays(
    floating: Lab, ssh: Ssh, run_fab: Runner
) -> None:
    first = holder(floating, ssh)
    try:
        assert run_fab("-H", first, "drain", "--reason", "a look inside").code == 0
        status = run_fab("status")
        assert status.code == 2, status
        assert re.search(rf"^{other(first)} .* holds the address *$", status.out, re.M)
        assert f"{first}: is drained: operator " in status.out
        assert "a look inside" in status.out
        refused = run_fab("-H", other(first), "drain")
        assert refused.code == 1
        assert f"{other(first)} is the only edge that can hold" in complaint(refused).seen
        assert run_fab("deploy").code == 0
        assert "a look inside" in ssh(first, f"cat {EDGE_DRAINED}").out, (
            "a deploy leaves it drained"
        )
        assert journal(ssh, first)[-1]["message"].startswith("drained by operator ")
    finally:
        assert run_fab("-H", first, "undrain").code == 0
    assert run_fab("status").code == 0
    assert holder(floating, ssh) == other(first)


def test_an_answer_under_way_arrives_whole(floating: Lab, ssh: Ssh, run_fab: Runner) -> None:
    whole = Download(vip(floating), 0)
    whole.start()
    whole.join()
    assert (whole.error, whole.size > 1_000_000) == ("", True)

    giver = holder(floating, ssh)
    slow = Download(vip(floating), 4)
    slow.start()
    assert slow.begun.wait(30)
    drained = run_fab("-H", giver, "drain")
    moved = time.monotonic()
    slow.join()
    try:
        assert drained.code == 0, drained
        assert holder(floating, ssh) == other(giver)
        assert (slow.error, slow.size, slow.digest.digest()) == (
            "",
            whole.size,
            whole.digest.digest(),
        )
        assert slow.ended < moved, "the drain waits for it"
        assert "connections did not end" not in drained.out
    finally:
        assert run_fab("-H", giver, "undrain").code == 0


def test_a_deploy_that_changes_both_edges_moves_the_address_once(
    floating: Lab, deployed: Deployed, ssh: Ssh, run_fab: Runner
) -> None:
    before = holder(floating, ssh)
    with Users(vip(floating)) as users:
        for name in EDGES:
            ssh(
                name,
                "echo '# touched by a test' >>/etc/nginx/nginx.conf; echo '# touched'"
                " >>/etc/haproxy/haproxy.cfg",
            )
        outcome = run_fab("deploy")
        assert outcome.code == 0, outcome
    print(
        f"\nedges changed under load: {users.asked} requests, {dict(users.failed)} failed, gap"
        f" {users.gap:.3f} s"
    )
    assert users.failed == {}
    assert holder(floating, ssh) == other(before)


def test_what_a_killed_controller_leaves_the_next_deploy_clears(
    floating: Lab, ssh: Ssh, run_fab: Runner
) -> None:
    giver = holder(floating, ssh)
    slow = Download(vip(floating), 8)  # keeps the handover waiting
    slow.start()
    assert slow.begun.wait(30)
    fab = [str(Path(sys.executable).with_name("fab")), "-H", giver, "drain"]
    with subprocess.Popen(
        fab, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as controller:
        until(lambda: holders(floating, ssh) == [other(giver)], "the move")
        controller.send_signal(signal.SIGKILL)
    slow.join()
    assert slow.error == "", "what was under way ends well even so"
    assert "rules" in leftovers(floating, ssh, other(giver))
    assert "address" in leftovers(floating, ssh, giver)
    ssh(
        giver, drain_edge_script("deploy 20260101T000000-dead00")
    )  # as if it had been a deploy, not an operator

    outcome = run_fab("deploy")
    assert outcome.code == 0, outcome
    assert [leftovers(floating, ssh, name) for name in EDGES] == ["", ""]
    assert len(holders(floating, ssh)) == 1
