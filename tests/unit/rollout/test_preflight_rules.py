"""What must hold on a host before a deploy changes anything there: its address is its own, and
its ports are free or ours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from samples import FACTS, NODES, site

from fabfile.engine.converge import State
from fabfile.engine.errors import RunbookError
from fabfile.engine.host import Node
from fabfile.engine.shell import Reading
from fabfile.roles.ports import list_ports
from fabfile.rollout import listeners
from fabfile.rollout.condition import unmet
from fabfile.rollout.preflight import judge_address, judge_ports, preconditions
from fabfile.rollout.system import PHASES, System

EDGE1, _, NODE1, _, DB1 = NODES
LOOPBACK = (
    "1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever\n"
)


def on_interface(address: str, interface: str = "eth0") -> str:
    return (
        f"2: {interface}    inet {address}/24 brd 192.0.2.255 scope global {interface}\\      "
        " valid_lft forever\n"
    )


# -- the address


@pytest.mark.parametrize("node", [EDGE1, NODE1, DB1])
def test_a_host_with_its_address(node: Node) -> None:
    assert judge_address(site(), node, Reading(LOOPBACK + on_interface(node.address), 0)) == []


def test_the_whole_network_of_lo_is_the_hosts_own() -> None:
    assert judge_address(site(), replace(DB1, address="127.77.0.1"), Reading(LOOPBACK, 0)) == []


@pytest.mark.parametrize(
    ("node", "cost"),
    [
        (DB1, "PostgreSQL would listen on this host only"),
        (NODE1, "by an address that it does not send from"),
        (EDGE1, "HAProxy and keepalived could not bind to it"),
    ],
)
def test_an_address_that_is_not_on_the_host(node: Node, cost: str) -> None:
    (found,) = judge_address(site(), node, Reading(LOOPBACK + on_interface("10.0.0.5"), 0))
    assert found.problem.startswith(
        f"{node.name} has no address {node.address}, it has 10.0.0.5 (eth0)"
    )
    assert cost in found.why
    assert f'set address = "10.0.0.5" under [hosts.{node.name}]' in found.next


def test_the_floating_address_is_not_a_hosts_own() -> None:
    text = (
        LOOPBACK
        + on_interface("192.0.2.10")
        + on_interface("10.0.0.5")
        + on_interface("10.1.0.5", "eth1")
    )
    (found,) = judge_address(site(), EDGE1, Reading(text, 0))
    assert "it has 10.0.0.5 (eth0), 10.1.0.5 (eth1):" in found.problem


def test_a_host_that_cannot_say_its_addresses() -> None:
    (found,) = judge_address(site(), DB1, Reading("sh: 1: ip: not found\n", 127))
    assert found.problem == "db1 does not show which addresses it has: sh: 1: ip: not found"


# -- the ports


def socket(
    address: str, number: int, process: str = "", pid: int = 0, protocol: str = "tcp"
) -> str:
    users = f'users:(("{process}",pid={pid + 1},fd=7),("{process}",pid={pid},fd=7))' if pid else ""
    return (
        f"{protocol} {'LISTEN' if protocol == 'tcp' else 'UNCONN'} 0      511   {address}:{number} "
        f" 0.0.0.0:* {users}\n"
    )


def runs_in(pid: int, path: str) -> str:
    groups = ("9:name=systemd:/", "1:cpu:/", f"0::{path}")
    return "".join(f"/proc/{pid}/cgroup:{group}\n" for group in groups)


def apache(*addresses: str) -> str:
    return "".join(socket(one, 80, "apache2", 812) for one in addresses) + runs_in(
        812, "/system.slice/apache2.service"
    )


def judged(node: Node, role: str, text: str, code: int = 0) -> list[RunbookError]:
    needed = list_ports(site(), node, role, FACTS.port)
    return judge_ports(node, listeners.find_conflicts(needed, Reading(text, code)))


def seen(node: Node, role: str, text: str) -> list[str]:
    return [error.problem for error in judged(node, role, text)]


OWN = (
    "".join(socket("0.0.0.0", number, "nginx", 90) for number in (80, 443))
    + socket("0.0.0.0", 443, "nginx", 90, "udp")
    + socket("127.0.0.1", 8082, "nginx", 90)
    + "".join(socket(address, 8081, "haproxy", 70) for address in ("127.0.0.1", "192.0.2.11"))
    + socket("127.0.0.1", 8404, "haproxy", 70)
    + socket("192.0.2.11", 8405, "haproxy", 70)
    + runs_in(90, "/system.slice/nginx.service")
    + runs_in(70, "/system.slice/haproxy.service")
)
CLUSTER = "/system.slice/system-postgresql.slice/postgresql@{}.service"


@pytest.mark.parametrize(
    ("node", "role", "text"),
    [
        (EDGE1, "edge", ""),
        (EDGE1, "edge", OWN),
        (
            DB1,
            "postgres",
            socket("192.0.2.31", 5432, "postgres", 40) + runs_in(40, CLUSTER.format("17-main")),
        ),
        (
            NODE1,
            "app",
            socket("*", 17000, "bingo", 50) + runs_in(50, "/system.slice/bingo.service"),
        ),
        (
            NODE1,
            "app",
            socket("*", 17000, "bingo", 50)
            + runs_in(50, "/system.slice/runbook-discovery.service"),
        ),
        (
            EDGE1,
            "edge",
            socket("[::]", 80, "lighttpd", 60) + runs_in(60, "/system.slice/lighttpd.service"),
        ),
        (
            EDGE1,
            "edge",
            socket("192.0.2.99", 8405, "x", 60) + runs_in(60, "/system.slice/x.service"),
        ),
        (
            EDGE1,
            "edge",
            socket("*", 80, "systemd", 1) + "socket [::]:80 nginx.socket nginx.service\n",
        ),
        (DB1, "postgres", "at-boot 5433 cluster 15/main\n"),
        (EDGE1, "edge", "at-boot 8080 unit apache2.service\n"),
    ],
    ids=[
        "nobody",
        "ours",
        "our cluster",
        "our app",
        "a run of ours",
        "IPv6 only",
        "elsewhere",
        "our socket",
        "5433",
        "8080",
    ],
)
def test_ports_that_are_free_or_ours(node: Node, role: str, text: str) -> None:
    assert seen(node, role, text) == []


@pytest.mark.parametrize(
    ("node", "role", "text", "said"),
    [
        (EDGE1, "edge", apache("*"), "port 80 is held by apache2.service (apache2, pid 812)"),
        (
            EDGE1,
            "edge",
            apache("127.0.0.1"),
            "port 80 is held by apache2.service (apache2, pid 812)",
        ),
        (
            EDGE1,
            "edge",
            apache("[::ffff:192.0.2.11]"),
            "port 80 is held by apache2.service (apache2, pid 812)",
        ),
        (
            EDGE1,
            "edge",
            socket("*", 443, "caddy", 5)
            + socket("*", 443, "caddy", 5, "udp")
            + runs_in(5, "/system.slice/caddy.service"),
            "ports 443 and 443/udp are held by caddy.service (caddy, pid 5)",
        ),
        (
            EDGE1,
            "edge",
            socket("127.0.0.1%lo", 8404, "java", 7) + runs_in(7, "/elsewhere"),
            "port 8404 is held by java (pid 7)",
        ),
        (EDGE1, "edge", socket("0.0.0.0", 8081), "port 8081 is held by the kernel (no process)"),
        (
            EDGE1,
            "edge",
            socket("*", 80, "systemd", 1) + "socket [::]:80 web.socket web.service\n",
            "port 80 is held by web.service (systemd, pid 1)",
        ),
        (
            DB1,
            "postgres",
            socket("127.0.0.1", 5432, "postgres", 40) + runs_in(40, CLUSTER.format("15-main")),
            "port 5432 is held by postgresql@15-main.service (postgres, pid 40)",
        ),
        (
            DB1,
            "postgres",
            socket("0.0.0.0", 5432, "docker-proxy", 40)
            + runs_in(40, "/system.slice/docker.service"),
            "port 5432 is held by docker.service (docker-proxy, pid 40)",
        ),
        (
            DB1,
            "postgres",
            "at-boot 5432 cluster 15/main\n",
            (
                "PostgreSQL's cluster 15/main does not run now, but it starts at boot and then"
                " takes port 5432"
            ),
        ),
        (
            EDGE1,
            "edge",
            OWN + "at-boot 80 unit apache2.service\nat-boot 443 unit apache2.service\n",
            (
                "apache2.service does not run now, but it starts at boot and then takes ports 80"
                " and 443"
            ),
        ),
        (
            NODE1,
            "app",
            socket("127.0.0.1", 17000, "python3", 9) + runs_in(9, "/user.slice/session-4.scope"),
            "port 17000 is held by session-4.scope (python3, pid 9)",
        ),
    ],
)
def test_ports_that_another_holds(node: Node, role: str, text: str, said: str) -> None:
    assert seen(node, role, text) == [f"{node.name}: {said}"]


def test_a_cluster_that_runs_is_named_once_with_its_way_out() -> None:
    text = (
        socket("127.0.0.1", 5432, "postgres", 40)
        + runs_in(40, CLUSTER.format("15-old"))
        + "at-boot 5432 cluster 15/old\n"
    )
    (found,) = judged(DB1, "postgres", text)
    assert "pg_conftool 15 old set port 5433" in found.next
    assert found.why.startswith("postgresql@17-main.service must listen there.")


def test_all_that_are_in_the_way_are_named() -> None:
    text = apache("*") + socket("*", 8405, "java", 7) + runs_in(7, "/system.slice/ci.service")
    assert seen(EDGE1, "edge", text) == [
        "edge1: port 80 is held by apache2.service (apache2, pid 812)",
        "edge1: port 8405 is held by ci.service (java, pid 7)",
    ]


def test_a_host_that_cannot_say_who_listens() -> None:
    (found,) = judged(EDGE1, "edge", "sh: 1: ss: not found\n", code=1)
    assert "edge1 does not show who listens on its ports: sh: 1: ss: not found" in found.problem


# -- which questions, and what becomes of the answers


@pytest.mark.parametrize(
    ("node", "phases", "asked"),
    [
        (EDGE1, PHASES, ["address", "ports"]),
        (DB1, PHASES, ["address", "ports"]),
        (NODE1, ("app",), ["address", "ports"]),
        (DB1, ("indexes",), []),
        (EDGE1, ("app",), []),
    ],
)
def test_a_host_is_asked_by_what_is_set_up_there(
    node: Node, phases: tuple[str, ...], asked: list[str]
) -> None:
    system = System(site(), Path("/nonexistent"), FACTS)
    assert [one.name for one in preconditions(system, node, phases)] == asked


def test_the_port_of_the_app_is_not_asked_for_before_it_is_known() -> None:
    system = System(site(), Path("/nonexistent"), None)
    assert [one.name for one in preconditions(system, NODE1, PHASES)] == ["address"]


def test_an_edge_without_http3_needs_no_udp() -> None:
    without = replace(site(), edge=replace(site().edge, http3=False))
    assert {port.protocol for port in list_ports(without, EDGE1, "edge", FACTS.port)} == {"tcp"}


def test_what_does_not_hold_is_a_failed_step_of_the_plan() -> None:
    asked = preconditions(System(site(), Path("/nonexistent"), FACTS), EDGE1, PHASES)
    outcomes = unmet(
        asked, [Reading(LOOPBACK + on_interface("10.0.0.5"), 0), Reading(apache("*"), 0)]
    )
    assert [(outcome.step, outcome.state) for outcome in outcomes] == [
        ("address", State.FAILED),
        ("ports", State.FAILED),
    ]
    assert all(outcome.error and outcome.error.next for outcome in outcomes)
