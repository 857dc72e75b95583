"""Two edges, one address: it moves when its holder dies or cannot serve."""

from __future__ import annotations

import http.client
import time

import pytest
from deployed import complaint, until
from floating import EDGES, calm, holder, holders, other, priority, vip
from labtools import Runner, Ssh
from users import Users

from fabfile.control.keepalived import KEEPALIVED_UNIT
from lab import cables, hosts
from lab.names import Lab


def test_power_failure_of_the_holder_and_its_return(floating: Lab, ssh: Ssh) -> None:
    lost = holder(floating, ssh)
    with Users(vip(floating)) as users:
        users.wait_for_answers(0.5)
        hosts.power_off(lost)
        users.wait_for_answers(2)
    print(
        f"\npower failure: {users.asked} requests, {dict(users.failed)} failed, longest gap"
        f" {users.gap:.3f} s"
    )
    assert users.gap <= 0.7
    assert sum(users.failed.values()) <= 0.7 * users.rate
    with Users(vip(floating)) as back:
        hosts.power_on(lost)
        until(
            lambda: ssh(lost, f"systemctl is-active -q {KEEPALIVED_UNIT}", check=False).code == 0,
            "keepalived",
        )
        until(lambda: calm(floating, ssh), "both edges well")
        assert holder(floating, ssh) == other(lost), "nothing moves back"
    print(f"return: {back.asked} requests, {dict(back.failed)} failed")
    assert back.failed == {}


def test_a_cut_cable_costs_no_more_than_a_power_failure(floating: Lab, ssh: Ssh) -> None:
    lost = holder(floating, ssh)
    with Users(vip(floating)) as users:
        users.wait_for_answers(0.5)
        cables.cut_cable(lost)
        users.wait_for_answers(2)
        cables.plug_cable(lost)
        until(lambda: holders(floating, ssh) in (["edge1"], ["edge2"]), "one holder")
    print(
        f"\ncable cut: {users.asked} requests, {dict(users.failed)} failed, longest gap"
        f" {users.gap:.3f} s"
    )
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


def test_an_edge_that_was_cut_off_does_not_take_the_address_back(
    floating: Lab, ssh: Ssh, run_fab: Runner
) -> None:
    lost = EDGES[1]  # the higher address: it wins where priorities are equal
    if holder(floating, ssh) != lost:
        for task in ("drain", "undrain"):
            assert run_fab("-H", other(lost), task).code == 0
    assert holder(floating, ssh) == lost
    with Users(vip(floating), 60) as users:
        ssh(lost, ISOLATED.format(us=floating.gateway, it=floating.address(lost)))
        try:
            until(lambda: priority(ssh, lost) == 240, "it to notice that it is alone")
            assert holders(floating, ssh) == list(EDGES), "each takes itself for the only one"
        finally:
            ssh(lost, "nft delete table netdev isolated")
        until(lambda: len(holders(floating, ssh)) == 1, "one holder")
        assert holder(floating, ssh) == other(lost)
    print(
        f"\ncut off and back: {users.asked} requests, {dict(users.failed)} failed, longest gap"
        f" {users.gap:.3f} s"
    )
    assert users.gap <= 0.7
    assert sum(users.failed.values()) <= 0.7 * users.rate


@pytest.mark.parametrize("unit", ["nginx", "haproxy"])
def test_the_address_leaves_an_edge_that_cannot_serve(unit: str, floating: Lab, ssh: Ssh) -> None:
    sick = holder(floating, ssh)
    ssh(sick, f"systemctl stop {unit}")
    stopped = time.monotonic()
    try:
        until(
            lambda: holders(floating, ssh) == [other(sick)],
            "the other edge holding the address",
            seconds=6,
        )
        took = time.monotonic() - stopped
    finally:
        ssh(sick, f"systemctl start {unit}")
    print(f"\n{unit} stopped: the address moved after {took:.1f} s")
    assert (
        took < 4
    )  # two checks a second apart, three adverts; asking the hosts takes a moment, too
    until(lambda: calm(floating, ssh), "both edges well")
    assert holder(floating, ssh) == other(sick)


def test_when_no_edge_can_serve_the_address_stays_and_says_so_at_once(
    floating: Lab, ssh: Ssh, run_fab: Runner
) -> None:
    first = holder(floating, ssh)
    try:
        for name in (other(first), first):
            ssh(name, "systemctl stop haproxy")
            until(
                lambda name=name: priority(ssh, name) < 200, f"{name} to know that it cannot serve"
            )
        until(lambda: len(holders(floating, ssh)) == 1, "one holder")
        assert holder(floating, ssh) == first
        connection = http.client.HTTPConnection(vip(floating), timeout=2)
        connection.request("GET", "/db_dummy")
        answer = connection.getresponse()
        assert answer.status >= 500
        assert b'"error"' in answer.read(), "words, not silence"
        refused = run_fab("-H", first, "drain")
        assert "is the only edge" in complaint(refused).seen
    finally:
        for name in EDGES:
            ssh(name, "systemctl start haproxy")
