"""Two edges, one address: it moves when its holder dies or cannot serve, and without a lost request when it is asked to."""

from __future__ import annotations

import hashlib
import http.client
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from deployed import Deployed, complaint, journal, until
from labtools import ROOT, Runner, Ssh
from users import Users

from fabfile.roles import keepalived
from lab import hosts
from lab.names import Lab

EDGES = ("edge1", "edge2")


def vip(lab: Lab) -> str:
    return f"10.77.{lab.number}.10"


def holders(lab: Lab, ssh: Ssh) -> list[str]:
    """The edges that have the address on an interface."""
    return [name for name in EDGES if ssh(name, keepalived.holds(vip(lab)), check=False).code == 0]


def holder(lab: Lab, ssh: Ssh) -> str:
    """The one edge that holds it."""
    found = holders(lab, ssh)
    assert len(found) == 1, found
    return found[0]


def other(name: str) -> str:
    return next(edge for edge in EDGES if edge != name)


def leftovers(lab: Lab, ssh: Ssh, name: str) -> str:
    """What a handover may not leave behind."""
    return ssh(name, "set +e\n" + keepalived.NoLeftoverHandover(vip(lab)).probe()).out


def calm(lab: Lab, ssh: Ssh) -> bool:
    """One edge holds the address; both could: keepalived runs and its checks, two in a row, are well."""
    priority = (
        "journalctl -u keepalived -b -o cat -q | grep -E 'effective priority|Entering BACKUP STATE .init' | tail -n 1"
    )
    well = all(not ssh(name, f"{priority} | grep 'to 1[0-9][0-9]$'", check=False).out for name in EDGES)
    return well and len(holders(lab, ssh)) == 1


@pytest.fixture
def site(deployed: Deployed, ssh: Ssh) -> Iterator[Lab]:
    """The deployed lab, both edges able; the test must leave it so."""
    until(lambda: calm(deployed.lab, ssh), "both edges well, one holding the address")
    yield deployed.lab
    until(lambda: calm(deployed.lab, ssh), "both edges well again")
    assert [ssh(name, f"cat {keepalived.DRAINED} 2>/dev/null || true").out for name in EDGES] == ["", ""]
    assert [leftovers(deployed.lab, ssh, name) for name in EDGES] == ["", ""]


def test_six_planned_moves_fail_no_request(site: Lab, ssh: Ssh, run_fab: Runner) -> None:
    with Users(vip(site)) as users:
        for _ in range(6):
            giver = holder(site, ssh)
            drained = run_fab("-H", giver, "drain", "--reason", "a look inside")
            assert drained.code == 0, drained
            assert holder(site, ssh) == other(giver)
            assert leftovers(site, ssh, giver) == leftovers(site, ssh, other(giver)) == ""
            assert run_fab("-H", giver, "undrain").code == 0
            assert holder(site, ssh) == other(giver)
    print(f"\nsix planned moves: {users.asked} requests, {dict(users.failed)} failed, longest gap {users.gap:.3f} s")
    assert users.asked > 1000
    assert users.failed == {}


def test_a_drained_edge_is_on_record_and_the_last_one_stays(site: Lab, ssh: Ssh, run_fab: Runner) -> None:
    first = holder(site, ssh)
    try:
        assert run_fab("-H", first, "drain", "--reason", "a look inside").code == 0
        status = run_fab("status")
        assert status.code == 2, status
        assert f"{other(first)} holds the floating address" in status.out
        assert f"{first} is drained: operator " in status.out
        assert "a look inside" in status.out
        refused = run_fab("-H", other(first), "drain")
        assert refused.code == 1
        assert f"{other(first)} is the only edge that can hold" in complaint(refused).seen
        assert run_fab("deploy").code == 0
        assert "a look inside" in ssh(first, f"cat {keepalived.DRAINED}").out, "a deploy leaves it drained"
        assert journal(ssh, first)[-1]["said"].startswith("drained by operator ")
    finally:
        assert run_fab("-H", first, "undrain").code == 0
    assert run_fab("status").code == 0
    assert holder(site, ssh) == other(first)


class Download(threading.Thread):
    """Reads the whole session list so slowly that it is under way for `seconds` at least."""

    def __init__(self, address: str, seconds: float) -> None:
        super().__init__()
        self.address, self.seconds = address, seconds
        self.begun, self.ended = threading.Event(), 0.0
        self.digest, self.size, self.error = hashlib.sha256(), 0, ""

    def run(self) -> None:
        try:
            self._read()
        except (OSError, http.client.HTTPException) as error:
            self.error = repr(error)
        self.ended = time.monotonic()
        self.begun.set()

    def _read(self) -> None:
        connection = http.client.HTTPConnection(self.address, timeout=30)
        connection.connect()
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.request("GET", "/api/session")
        answer = connection.getresponse()
        assert answer.status == 200
        self.begun.set()
        until_fast = time.monotonic() + self.seconds
        while block := answer.read(16384):
            self.digest.update(block)
            self.size += len(block)
            if time.monotonic() < until_fast:
                time.sleep(0.05)


def test_an_answer_under_way_arrives_whole(site: Lab, ssh: Ssh, run_fab: Runner) -> None:
    whole = Download(vip(site), 0)
    whole.start()
    whole.join()
    assert (whole.error, whole.size > 1_000_000) == ("", True)

    giver = holder(site, ssh)
    slow = Download(vip(site), 4)
    slow.start()
    assert slow.begun.wait(30)
    drained = run_fab("-H", giver, "drain")
    moved = time.monotonic()
    slow.join()
    try:
        assert drained.code == 0, drained
        assert holder(site, ssh) == other(giver)
        assert (slow.error, slow.size, slow.digest.digest()) == ("", whole.size, whole.digest.digest())
        assert slow.ended < moved, "the drain waits for it"
        assert "connections did not end" not in drained.out
    finally:
        assert run_fab("-H", giver, "undrain").code == 0


def test_a_deploy_that_changes_both_edges_moves_the_address_once(
    site: Lab, deployed: Deployed, ssh: Ssh, run_fab: Runner
) -> None:
    before = holder(site, ssh)
    with Users(vip(site)) as users:
        for name in EDGES:
            ssh(name, "echo '# touched by a test' >>/etc/nginx/nginx.conf; echo '# touched' >>/etc/haproxy/haproxy.cfg")
        outcome = run_fab("deploy")
        assert outcome.code == 0, outcome
    print(f"\nedges changed under load: {users.asked} requests, {dict(users.failed)} failed, gap {users.gap:.3f} s")
    assert users.failed == {}
    assert holder(site, ssh) == other(before)


def test_power_failure_of_the_holder_and_its_return(site: Lab, ssh: Ssh) -> None:
    lost = holder(site, ssh)
    with Users(vip(site)) as users:
        time.sleep(1)
        hosts.power_off(lost)
        time.sleep(3)
    print(f"\npower failure: {users.asked} requests, {dict(users.failed)} failed, longest gap {users.gap:.3f} s")
    assert users.gap <= 0.7
    assert sum(users.failed.values()) <= 0.7 * users.rate
    with Users(vip(site)) as back:
        hosts.power_on(lost)
        until(lambda: ssh(lost, f"systemctl is-active -q {keepalived.UNIT}", check=False).code == 0, "keepalived")
        until(lambda: calm(site, ssh), "both edges well")
        assert holder(site, ssh) == other(lost), "nothing moves back"
    print(f"return: {back.asked} requests, {dict(back.failed)} failed")
    assert back.failed == {}


def test_a_cut_cable_costs_no_more_than_a_power_failure(site: Lab, ssh: Ssh) -> None:
    lost = holder(site, ssh)
    with Users(vip(site)) as users:
        time.sleep(1)
        hosts.cut(lost)
        time.sleep(3)
        hosts.heal(lost)
        until(lambda: holders(site, ssh) in (["edge1"], ["edge2"]), "one holder")
    print(f"\ncable cut: {users.asked} requests, {dict(users.failed)} failed, longest gap {users.gap:.3f} s")
    assert users.gap <= 0.7


ISOLATED = """nft -f - <<'RULES'
table netdev isolated {{
    chain arrived {{
        type filter hook ingress device host0 priority -500; policy drop;
        ip saddr {us} tcp dport 22 accept
        arp saddr ip {us} arp daddr ip {it} accept
    }}
    chain sent {{
        type filter hook egress device host0 priority -500; policy drop;
        ip daddr {us} tcp sport 22 accept
        arp daddr ip {us} arp saddr ip {it} accept
    }}
}}
RULES
"""
"""The cable is up and nothing passes, as when a switch fails; only we still reach the host."""


def test_an_edge_that_was_cut_off_does_not_take_the_address_back(site: Lab, ssh: Ssh, run_fab: Runner) -> None:
    lost = EDGES[1]  # the higher address: it wins where priorities are equal
    if holder(site, ssh) != lost:
        for task in ("drain", "undrain"):
            assert run_fab("-H", other(lost), task).code == 0
    assert holder(site, ssh) == lost
    lowered = "journalctl -u keepalived --since -60s -o cat | grep 'effective priority' | tail -n 1 | grep 'to 240$'"
    with Users(vip(site), 60) as users:
        ssh(lost, ISOLATED.format(us=site.gateway, it=site.address(lost)))
        try:
            until(lambda: ssh(lost, lowered, check=False).code == 0, "it to notice that it is alone")
            assert holders(site, ssh) == list(EDGES), "each takes itself for the only one"
        finally:
            ssh(lost, "nft delete table netdev isolated")
        until(lambda: len(holders(site, ssh)) == 1, "one holder")
        assert holder(site, ssh) == other(lost)
    print(f"\ncut off and back: {users.asked} requests, {dict(users.failed)} failed, longest gap {users.gap:.3f} s")
    assert users.gap <= 0.7
    assert sum(users.failed.values()) <= 0.7 * users.rate


@pytest.mark.parametrize("unit", ["nginx", "haproxy"])
def test_the_address_leaves_an_edge_that_cannot_serve(unit: str, site: Lab, ssh: Ssh) -> None:
    sick = holder(site, ssh)
    ssh(sick, f"systemctl stop {unit}")
    stopped = time.monotonic()
    try:
        until(lambda: holders(site, ssh) == [other(sick)], "the other edge holding the address", seconds=6)
        took = time.monotonic() - stopped
    finally:
        ssh(sick, f"systemctl start {unit}")
    print(f"\n{unit} stopped: the address moved after {took:.1f} s")
    assert took < 4  # two checks a second apart, three adverts; asking the hosts takes a moment, too
    until(lambda: calm(site, ssh), "both edges well")
    assert holder(site, ssh) == other(sick)


def test_when_no_edge_can_serve_the_address_stays_and_says_so_at_once(site: Lab, ssh: Ssh, run_fab: Runner) -> None:
    first = holder(site, ssh)
    try:
        ssh(other(first), "systemctl stop haproxy")
        time.sleep(3)  # until its priority has fallen
        ssh(first, "systemctl stop haproxy")
        time.sleep(4)
        assert holder(site, ssh) == first
        connection = http.client.HTTPConnection(vip(site), timeout=2)
        connection.request("GET", "/db_dummy")
        answer = connection.getresponse()
        assert answer.status >= 500
        assert b'"error"' in answer.read(), "words, not silence"
        refused = run_fab("-H", first, "drain")
        assert "is the only edge" in complaint(refused).seen
    finally:
        for name in EDGES:
            ssh(name, "systemctl start haproxy")


def test_what_a_killed_controller_leaves_the_next_deploy_clears(site: Lab, ssh: Ssh, run_fab: Runner) -> None:
    giver = holder(site, ssh)
    slow = Download(vip(site), 8)  # keeps the handover waiting
    slow.start()
    assert slow.begun.wait(30)
    fab = [str(Path(sys.executable).with_name("fab")), "-H", giver, "drain"]
    with subprocess.Popen(fab, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as controller:
        until(lambda: holders(site, ssh) == [other(giver)], "the move")
        controller.send_signal(signal.SIGKILL)
    slow.join()
    assert slow.error == "", "what was under way ends well even so"
    assert "rules" in leftovers(site, ssh, other(giver))
    assert "address" in leftovers(site, ssh, giver)
    ssh(giver, keepalived.drain("deploy 20260101T000000-dead00"))  # as if it had been a deploy, not an operator

    outcome = run_fab("deploy")
    assert outcome.code == 0, outcome
    assert [leftovers(site, ssh, name) for name in EDGES] == ["", ""]
    assert len(holders(site, ssh)) == 1
