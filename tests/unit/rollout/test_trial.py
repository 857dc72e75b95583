"""The connections between the hosts that are tried before a first deploy."""

from __future__ import annotations

from pathlib import Path

import pytest
from samples import FACTS, NODES, balanced_site, site, watched_site

from fabfile.engine.errors import RunbookError
from fabfile.engine.fleet import Fleet
from fabfile.health.network import OPEN, SILENT, ConnectionAttempt, NetworkView
from fabfile.roles.ports import Route
from fabfile.rollout import new_host
from fabfile.rollout.system import System
from fabfile.rollout.trial import Trial, explain_unknown, needed_routes, read_heard
from fabfile.rollout.trial_verdict import describe_route, judge_trial
from fabfile.settings.settings import Settings

PORTS = {"node1": FACTS.port, "node2": FACTS.port}
FLEET = Fleet(NODES, lambda node: None)  # type: ignore[arg-type, return-value]
ROUTES = needed_routes(site(), NODES, PORTS)
DATABASE = Route("db1", "192.0.2.31", 5432, "PostgreSQL")


def seen(source: str, results: dict[str, str], listens: tuple[int, ...] = ()) -> NetworkView:
    tried = [
        ConnectionAttempt(route.target, route.number, results.get(route.target, OPEN))
        for route in ROUTES[source]
    ]
    return NetworkView(tried, {port: ["0.0.0.0"] for port in listens})


def views(**results: dict[str, str]) -> dict[str, NetworkView]:
    listens = {"db1": (5432,), "node1": (17000,), "node2": (17000,)}
    return {
        node.name: seen(node.name, results.get(node.name, {}), listens.get(node.name, (8405, 8081)))
        for node in NODES
    }


def trial(found: dict[str, NetworkView], **more) -> Trial:  # type: ignore[no-untyped-def]
    return Trial(found, explain_unknown(ROUTES, found, FLEET), **more)


def test_every_route_of_the_service_is_tried() -> None:
    pairs = {(source, route.target, route.number) for source in ROUTES for route in ROUTES[source]}
    assert {
        ("edge1", "node2", 17000),
        ("node1", "db1", 5432),
        ("node2", "edge1", 8405),
        ("edge2", "edge1", 8081),
    } <= pairs
    watched = needed_routes(watched_site(), watched_site().inventory.nodes, PORTS)
    assert {("db1", 9187), ("edge1", 3903), ("node1", 9100), ("edge2", 8404)} <= {
        (route.target, route.number) for route in watched["mon1"]
    }


def test_all_is_open() -> None:
    found = trial(views(), heard={"edge1": {"192.0.2.12": True}, "edge2": {"192.0.2.11": True}})
    assert judge_trial(site(), found) == []
    assert describe_route(found, "node1", DATABASE) == (True, "open")


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (SILENT, "no answer within 1 s: a firewall drops it?"),
        ("Connection refused", "refused, although it listens there: a firewall rejects it"),
        ("No route to host", "no route to host"),
    ],
    ids=["dropped", "refused", "rejected"],
)
def test_a_blocked_route_is_named_from_where_to_where(result: str, said: str) -> None:
    found = trial(views(node1={"db1": result}, node2={"db1": result}))
    ((host, error),) = judge_trial(site(), found)
    assert host == "db1"
    assert error.problem == f"node1 and node2 cannot reach db1 port 5432 (PostgreSQL): {said}"
    assert "let TCP 5432 in from 192.0.2.21, 192.0.2.22" in error.next
    assert describe_route(found, "node1", DATABASE) == (False, said)


@pytest.mark.parametrize(("settings", "tried"), [(site(), True), (balanced_site(), False)])
def test_vrrp_is_tried_where_an_address_moves(
    settings: Settings, tried: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def try_nothing(*_: object, vrrp: bool) -> Trial:
        asked.append(vrrp)
        return Trial({})

    monkeypatch.setattr(new_host, "try_routes", try_nothing)
    system = System(settings, Path("/nonexistent"), None)
    assert new_host.find_blocked_routes(system, FLEET, ["edge1"]) == []
    assert asked == [tried]


def test_what_could_not_be_tried_is_no_pass() -> None:
    blank = needed_routes(site(), NODES, {})
    assert {route.number for route in blank["edge1"] if route.target.startswith("node")} == {0}
    unknown = explain_unknown(blank, views(), FLEET)
    assert {route.target for route in unknown["edge1"]} == {"node1", "node2"}
    assert set(unknown["edge1"].values()) == {
        "the app's port is known after discovery only (fab deploy)"
    }

    lost = {name: view for name, view in views().items() if name != "db1"}
    lost["node1"] = seen("node1", {"db1": SILENT})
    lost["node2"] = seen("node2", {"db1": "Connection refused"})
    found = trial(lost, lost={"db1": RunbookError("gone")})
    assert describe_route(found, "node1", DATABASE) == (None, "not tried: db1 did not answer")
    assert judge_trial(site(), found) == []


def test_a_port_that_nothing_could_open() -> None:
    without = views(node1={"db1": "Connection refused"})
    without["db1"] = seen("db1", {})
    found = trial(without)
    held, said = describe_route(found, "node1", DATABASE)
    assert held is None
    assert said == "not tried: nothing could listen at 192.0.2.31 on db1"


def test_edges_that_do_not_hear_each_other() -> None:
    heard = {"edge1": {"192.0.2.12": True}, "edge2": {"192.0.2.11": False}}
    ((host, error),) = judge_trial(site(), trial(views(), heard=heard))
    assert host == "edge2"
    assert error.problem.startswith("edge2 does not hear edge1: packets of IP protocol 112 (VRRP)")


def test_vrrp_output() -> None:
    assert read_heard("vrrp|192.0.2.12|heard\nno raw socket: x\nvrrp|192.0.2.13|silent\n") == {
        "192.0.2.12": True,
        "192.0.2.13": False,
    }
