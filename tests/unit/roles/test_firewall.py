"""The firewall rules of a site with `firewall = "managed"`."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from samples import FACTS, MONITOR, NODES, balanced_site, site, watched_site

from fabfile.engine.host import Node
from fabfile.health.units import needed_units
from fabfile.roles.firewall import FIREWALL_UNIT, firewall_rules, firewall_steps
from fabfile.settings.settings import Settings
from fabfile.steps.firewall import FirewallRules
from fabfile.steps.leftover_units import NoLeftoverUnits

EDGE1, EDGE2, NODE1, _, DB1 = NODES
MANAGED = replace(watched_site(), firewall="managed")


def accepted(settings: Settings, node: Node) -> list[str]:
    """The rules about ports and protocols, without those that every host has."""
    text = firewall_rules(settings, node, FACTS.port)
    lines = [line.strip() for line in text.splitlines()]
    rules = [line for line in lines if re.match(r"(tcp|udp|ip) ", line)]
    return [rule for rule in rules if "sport" not in rule and rule != "tcp dport { 22 } accept"]


@pytest.mark.parametrize(
    ("node", "rules"),
    [
        (
            NODE1,
            [
                "tcp dport 9100 ip saddr { 192.0.2.41 } accept",
                "tcp dport 17000 ip saddr { 192.0.2.11, 192.0.2.12 } accept",
            ],
        ),
        (
            DB1,
            [
                "tcp dport 5432 ip saddr { 192.0.2.21, 192.0.2.22 } accept",
                "tcp dport 9100 ip saddr { 192.0.2.41 } accept",
                "tcp dport 9187 ip saddr { 192.0.2.41 } accept",
            ],
        ),
        (
            EDGE1,
            [
                "tcp dport { 80, 443 } accept",
                "udp dport 443 accept",
                "ip protocol 112 ip saddr { 192.0.2.12 } accept",
                "tcp dport 3903 ip saddr { 192.0.2.41 } accept",
                "tcp dport 8081 ip saddr { 192.0.2.12 } accept",
                "tcp dport 8404 ip saddr { 192.0.2.41 } accept",
                "tcp dport 8405 ip saddr { 192.0.2.21, 192.0.2.22 } accept",
                "tcp dport 9100 ip saddr { 192.0.2.41 } accept",
            ],
        ),
        (MONITOR, []),
    ],
    ids=lambda value: value.name if isinstance(value, Node) else "",
)
def test_a_host_lets_in_what_the_system_needs(node: Node, rules: list[str]) -> None:
    assert accepted(MANAGED, node) == rules


def test_a_host_drops_the_rest_and_locks_nobody_out() -> None:
    for node in (*NODES, MONITOR):
        text = firewall_rules(MANAGED, node, FACTS.port)
        assert "policy drop" in text
        assert "iif lo accept" in text
        assert "ct state established,related accept" in text
        assert "tcp dport { 22 } accept" in text
    other = replace(MANAGED, ssh=replace(MANAGED.ssh, port=2222))
    assert "tcp dport { 22, 2222 } accept" in firewall_rules(other, DB1, None)


def test_an_edge_alone_needs_no_vrrp_and_without_http3_no_udp() -> None:
    plain = replace(site(), edge=replace(site().edge, address="", http3=False))
    assert not [rule for rule in accepted(plain, EDGE2) if "112" in rule or "udp" in rule]


def test_an_edge_behind_a_balancer_lets_its_checks_and_its_proxy_headers_in() -> None:
    behind = replace(MANAGED, edge=balanced_site().edge)
    rules = accepted(behind, EDGE1)
    assert rules[:4] == [
        "tcp dport { 80, 443 } accept",
        "tcp dport { 8406, 8480, 8443 } ip saddr 192.0.2.5 accept",
        "tcp dport { 8406, 8480, 8443 } ip saddr 198.51.100.0/24 accept",
        "tcp dport 3903 ip saddr { 192.0.2.41 } accept",
    ]
    assert "tcp dport 8083 ip saddr { 192.0.2.12 } accept" in rules
    assert not [rule for rule in rules if "112" in rule or "udp" in rule]
    plain = replace(behind, edge=replace(behind.edge, proxy_protocol=False))
    assert "tcp dport { 8406 } ip saddr 192.0.2.5 accept" in accepted(plain, EDGE1)
    assert accepted(behind, NODE1) == accepted(MANAGED, NODE1)


def test_a_site_that_does_not_ask_for_it_has_no_firewall_of_ours() -> None:
    (step,) = firewall_steps(site(), DB1, None)
    assert isinstance(step, NoLeftoverUnits)
    assert FIREWALL_UNIT not in needed_units(site(), DB1)
    assert FIREWALL_UNIT in needed_units(MANAGED, DB1)
    assert any(isinstance(step, FirewallRules) for step in firewall_steps(MANAGED, DB1, None))
