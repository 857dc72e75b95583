"""Hosts whose firewall drops by default: status names who cannot reach whom (exit 2), and no
deploy calls it a success (exit 1)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from deployed import EDGES, NODES, Deployed, Variant, on_each_host, until, wait_until_up
from labtools import Outcome, Runner, Ssh

VRRP = "112"
FULL = {"22", "80", "443", "8081", "8405"}


@contextmanager
def firewall(ssh: Ssh, hosts: tuple[str, ...], *, tcp: set[str], first: str = "") -> Iterator[None]:
    """A default drop as people write it: loopback, answers, ICMP, VRRP and these ports get in.
    `first` is a rule before all."""
    rules = f"""table inet firewall {{
  chain input {{
    type filter hook input priority 0; policy drop;
    {first}
    iif lo accept
    ct state established,related accept
    meta l4proto {{ icmp, {VRRP} }} accept
    tcp dport {{ {", ".join(tcp)} }} accept
    udp dport 443 accept
  }}
}}"""
    on_each_host(lambda host: ssh(host, f"nft -f - <<'RULES'\n{rules}\nRULES"), hosts)
    try:
        yield
    finally:
        on_each_host(lambda host: ssh(host, "nft delete table inet firewall"), hosts)


@pytest.fixture
def whole(healed: Deployed, ssh: Ssh, run_fab: Runner) -> Iterator[Deployed]:
    """The deployed lab; afterwards it is well again, and only then is it converged."""
    yield healed
    until(lambda: run_fab("status").code == 0, "a site that is well", seconds=60)
    wait_until_up(ssh)


def change(variant: Variant, **tables: Mapping[str, Any]) -> dict[str, str]:
    """A site that differs in a figure of the balancers, so that a deploy has something to do on
    the edges."""
    return variant(**{"edge": {"node_rate": 91}, **tables})


def sentences(outcome: Outcome) -> str:
    """Everything said, without a traceback."""
    assert "Traceback" not in outcome.out + outcome.err
    return outcome.out + outcome.err


BLOCKED = (
    r"✗ {sources} cannot reach {target} port {port} \(.*\): no answer within 1 s: a firewall drops"
    r" it\?"
)


def test_the_nodes_ports_are_closed(
    whole: Deployed, run_fab: Runner, ssh: Ssh, variant: Variant
) -> None:
    with firewall(ssh, NODES, tcp={"22"}):
        until(lambda: run_fab("status").code == 2, "the balancers' checks")
        status, deploy = run_fab("status"), run_fab("deploy", env=change(variant))
        again = run_fab("deploy", env=change(variant))
        for outcome, code in ((status, 2), (deploy, 1), (again, 1)):
            assert outcome.code == code, outcome
            for node in NODES:
                found = re.search(
                    BLOCKED.format(sources="edge1 and edge2", target=node, port=r"\d+"),
                    sentences(outcome),
                )
                assert found, outcome.out
            assert "app.restart" not in outcome.out  # it would help nobody
        assert "did not come up" not in deploy.out


def test_one_edge_and_the_nodes_ports_are_closed(
    healed: Deployed, run_fab: Runner, ssh: Ssh, variant: Variant
) -> None:
    alone = change(
        variant,
        **{"hosts": {"edge2": None}, "edge": {"address": None}, "": {"service": None}},
    )
    with firewall(ssh, NODES, tcp={"22"}):
        deploy = run_fab("deploy", env=alone)
        assert deploy.code == 1, deploy
        assert re.search(
            BLOCKED.format(sources="edge1", target="node1", port=r"\d+"), sentences(deploy)
        ), deploy.out
        assert "✗ users get" in deploy.out
        assert run_fab("status", env=alone).code == 2
    assert run_fab("-H", "edge1", "deploy", env=alone).code == 0


def test_vrrp_is_blocked_between_the_edges(whole: Deployed, run_fab: Runner, ssh: Ssh) -> None:
    with firewall(ssh, EDGES, tcp=FULL, first=f"meta l4proto {VRRP} drop"):
        until(lambda: run_fab("status").code == 2, "two holders")
        both = (
            f"edge1 and edge2 both hold {whole.lab.floating}: they do not hear each other's VRRP"
            " adverts"
        )
        for task, code in (("status", 2), ("deploy", 1)):
            outcome = run_fab(task)
            assert outcome.code == code, outcome
            assert both in sentences(outcome)
            assert "IP protocol 112" in outcome.out


def test_the_users_ports_are_closed(
    whole: Deployed, run_fab: Runner, ssh: Ssh, variant: Variant
) -> None:
    with firewall(ssh, EDGES, tcp={"22", "8081", "8405"}):
        ssh(
            "edge1", "systemctl restart keepalived"
        )  # its step asks for the address, which the other edge may hold
        for task, code, env in (("status", 2, {}), ("deploy", 1, change(variant))):
            outcome = run_fab(task, env=env)
            assert outcome.code == code, outcome
            for port in (80, 443):
                assert (
                    f"cannot reach the floating address {whole.lab.floating} port {port}"
                    in sentences(outcome)
                )


def test_the_database_is_out_of_reach(whole: Deployed, run_fab: Runner, ssh: Ssh) -> None:
    with firewall(ssh, ("db1",), tcp={"22"}):
        outcome = run_fab("status")
        assert outcome.code == 2
        assert re.search(
            BLOCKED.format(sources="node1 and node2", target="db1", port=5432), sentences(outcome)
        )


def test_a_firewall_that_rejects(whole: Deployed, run_fab: Runner, ssh: Ssh) -> None:
    with firewall(
        ssh, ("db1",), tcp={"22"}, first="iif != lo tcp dport 5432 reject with tcp reset"
    ):
        outcome = run_fab("status")
        assert outcome.code == 2
        assert (
            "port 5432 (PostgreSQL): refused, although it listens there: a firewall rejects it"
            in sentences(outcome)
        )
