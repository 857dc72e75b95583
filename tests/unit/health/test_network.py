"""Who cannot reach whom: what each host tried, judged together with what the others listen on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from samples import NODES, site

from fabfile.control.front import EdgeState
from fabfile.engine.problem import Problem
from fabfile.health import network
from fabfile.health.host import HostStatus
from fabfile.health.network import NetworkView
from fabfile.health.overview import find_site_problems, select_problems
from fabfile.roles.ports import list_routes
from fabfile.settings.inventory import Inventory

EDGE1, _, NODE1, _, DB1 = NODES


def view(*tried: str, listens: str = "") -> NetworkView:
    """`node1 17000 refused`, and `*:17000` for each address it listens on."""
    lines = ["tried|" + "|".join(one.split(" ", 2)) for one in tried]
    return network.parse_network(
        "\n".join([*lines, *(f"listens {one}" for one in listens.split())]) + "\n"
    )


def test_whom_each_host_must_reach() -> None:
    assert [(one.target, one.number) for one in list_routes(site(), EDGE1)] == [
        ("node1", 0),
        ("node2", 0),
        ("edge2", 8081),
    ]
    assert [(one.target, one.number) for one in list_routes(site(), NODE1)] == [
        ("db1", 5432),
        ("edge1", 8405),
        ("edge2", 8405),
    ]
    assert list_routes(site(), DB1) == []


def test_a_host_with_every_role_reaches_nobody() -> None:
    alone = replace(NODES[0], roles=("app", "edge", "postgres"))
    assert list_routes(replace(site(), inventory=Inventory((alone,))), alone) == []


def test_what_a_host_has_seen() -> None:
    text = (
        "tried|node1|17000|open\ntried|node2|17000|no answer within 1 s\nlistens"
        " 127.0.0.53%lo:53\nlistens *:17000\n"
    )
    seen = network.parse_network(text)
    assert [(one.target, one.result) for one in seen.tried] == [
        ("node1", "open"),
        ("node2", network.SILENT),
    ]
    assert seen.listens == {53: ["127.0.0.53"], 17000: ["*"]}


@pytest.mark.parametrize(
    ("result", "listens", "reason"),
    [
        ("no answer within 1 s", "*:17000", "no answer within 1 s: a firewall drops it?"),
        ("no answer within 1 s", "", "no answer within 1 s: a firewall drops it?"),
        ("No route to host", "*:17000", "no route to host"),
        (
            "Connection refused",
            "*:17000",
            "refused, although it listens there: a firewall rejects it",
        ),
        (
            "Connection refused",
            "127.0.0.1:17000 [::1]:17000",
            "refused: it listens on 127.0.0.1, [::1] only",
        ),
    ],
)
def test_a_port_that_is_not_reached(result: str, listens: str, reason: str) -> None:
    views = {
        "edge1": view(f"node1 17000 {result}"),
        "edge2": view(f"node1 17000 {result}"),
        "node1": view(listens=listens),
    }
    (found,) = network.find_network_problems(site(), views)
    assert found.message == f"edge1 and edge2 cannot reach node1 port 17000 (the app): {reason}"
    assert found.down
    assert found.cause
    assert found.about == ("edge1", "edge2", "node1")


def test_the_way_out_names_port_and_addresses() -> None:
    (found,) = network.find_network_problems(
        site(), {"node1": view("db1 5432 no answer within 1 s"), "db1": view()}
    )
    assert (
        found.next
        == "on db1: nft list ruleset; and security groups: let TCP 5432 in from 192.0.2.21"
    )


def test_a_port_that_is_open_or_that_nobody_serves_is_not_the_networks_fault() -> None:
    views = {
        "edge1": view("node1 17000 open", "node2 17000 Connection refused"),
        "node1": view(),
        "node2": view(),
    }
    assert network.find_network_problems(site(), views) == []


def test_a_refusal_of_a_host_that_was_not_asked_may_be_either() -> None:
    (found,) = network.find_network_problems(site(), {"node1": view("db1 5432 Connection refused")})
    assert found.message.endswith("refused: nothing listens there, or a firewall rejects it")


def test_a_host_that_did_not_answer_over_ssh_either_is_reported_as_that() -> None:
    assert (
        network.find_network_problems(
            site(), {"edge1": view("node1 17000 no answer within 1 s")}, unreachable=["node1"]
        )
        == []
    )


# -- all hosts together


def edge(name: str, *, serves: bool, network: NetworkView | None = None) -> HostStatus:
    return HostStatus(
        name, ("edge",), edge=EdgeState(name, serves=serves), network=network or NetworkView()
    )


PORT_80 = Problem("port 80 is closed", about=("edge1", "edge2"))


def test_a_site_that_is_well() -> None:
    assert (
        find_site_problems(site(), [edge("edge1", serves=True), edge("edge2", serves=False)], [])
        == []
    )


def test_two_holders() -> None:
    (found,) = find_site_problems(
        site(), [edge("edge1", serves=True), edge("edge2", serves=True)], []
    )
    assert "both hold 192.0.2.10" in found.message
    assert "protocol 112" in found.next
    assert found.cause


def test_ports_that_are_closed_to_users() -> None:
    assert find_site_problems(
        site(), [edge("edge1", serves=True), edge("edge2", serves=False)], [PORT_80]
    ) == [PORT_80]


def test_without_a_holder_no_port_can_answer() -> None:
    (found,) = find_site_problems(
        site(), [edge("edge1", serves=False), edge("edge2", serves=False)], [PORT_80]
    )
    assert found.message.startswith("no edge holds 192.0.2.10")


def test_one_edge_of_two_asked_says_nothing_of_the_address() -> None:
    assert find_site_problems(site(), [edge("edge1", serves=False)], []) == []


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ({"edge1", "edge2", "node1"}, ["silent", "both hold", "DOWN", "full"]),
        ({"node1"}, ["silent", "DOWN"]),
        ({"edge1"}, ["silent", "both hold", "full"]),
        ({"node2"}, []),
    ],
)
def test_a_limited_deploy_answers_for_its_own_hosts(names: set[str], found: list[str]) -> None:
    hosts = [
        HostStatus(
            "edge1",
            ("edge",),
            problems=[Problem("DOWN", about=("node1",)), Problem("full"), Problem("x", down=False)],
        )
    ]
    shared = [
        Problem("silent", about=("edge1", "node1")),
        Problem("both hold", about=("edge1", "edge2")),
    ]
    assert [problem.message for _, problem in select_problems(names, hosts, shared)] == found
