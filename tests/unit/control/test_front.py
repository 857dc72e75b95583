"""Which edges serve, by the kind of front, and how an edge behind a provider's balancer leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from samples import NODES, balanced_site, site, watched_site

from fabfile.alerts.edges import edge_rules
from fabfile.control import external_balancer
from fabfile.control.edge_drain import EDGE_DRAINED
from fabfile.control.edges import _other_able_edges
from fabfile.control.external_balancer import ExternalBalancer
from fabfile.control.floating_address import FloatingAddress
from fabfile.control.front import Departure, EdgeState, OwnAddresses
from fabfile.control.site_front import edge_probe, find_front, parse_edge
from fabfile.engine.channel import Result
from fabfile.engine.command import Shell
from fabfile.engine.errors import RunbookError
from fabfile.engine.shell import Reading
from fabfile.health.units import needed_units
from fabfile.health.verdict import find_address_problem
from fabfile.roles.ports import list_routes
from fabfile.steps.leftovers import NoLeftoverDeparture


@pytest.mark.parametrize(
    ("front", "counts"),
    [
        (OwnAddresses(), {0: True, 1: True, 2: True}),
        (FloatingAddress("192.0.2.10"), {0: False, 1: True, 2: False}),
        (ExternalBalancer(balanced_site()), {0: False, 1: True, 2: True}),
    ],
)
def test_how_many_edges_must_serve(front: OwnAddresses, counts: Mapping[int, bool]) -> None:
    assert {count: front.is_served(count) for count in counts} == counts


def test_a_silent_edge_is_asked_at_a_port_that_every_firewall_opens_to_edges() -> None:
    """The ports of users may be open to the balancer only: silence there would prove nothing."""
    probe = find_front(balanced_site()).unseen_probe("192.0.2.12")
    assert "/dev/tcp/192.0.2.12/8081" in probe
    routes = list_routes(balanced_site(), NODES[0])
    assert ("192.0.2.12", 8081) in {(route.address, route.number) for route in routes}


def test_the_site_file_chooses_the_front() -> None:
    assert isinstance(find_front(site()), FloatingAddress)
    front = find_front(balanced_site())
    assert isinstance(front, ExternalBalancer)
    assert (front.moving_address, front.unit) == ("", "")
    assert "keepalived.service" in needed_units(site(), NODES[0])
    assert "keepalived.service" not in needed_units(balanced_site(), NODES[0])


@pytest.mark.parametrize(
    ("text", "serves", "able", "words"),
    [
        ("serves\nrunning\nhealthy\n", True, True, "serves"),
        ("running\nhealthy\n", False, False, "does not serve"),  # cut off from the app nodes
        ("running\nhealthy\ndrained operator ann\n", False, False, "drained"),
    ],
)
def test_an_edge_behind_a_balancer(text: str, serves: bool, able: bool, words: str) -> None:
    assert "8406/edge-health && echo serves" in edge_probe(balanced_site())
    state = parse_edge(balanced_site(), "edge1", text)
    assert (state.serves, state.can_serve, state.describe()) == (serves, able, words)
    other = EdgeState("edge2", serves=True, one_serves=False)
    assert _other_able_edges("edge2", {"edge1": state, "edge2": other}) == ["edge1"] * able


def test_a_balancer_needs_one_edge_and_may_have_all() -> None:
    serving, idle = (EdgeState(n, serves=n == "a", one_serves=False) for n in ("a", "b"))
    assert find_address_problem("192.0.2.20", [serving, serving]) is None
    assert find_address_problem("192.0.2.20", [serving, idle]) is None
    nobody = find_address_problem("192.0.2.20", [idle, idle])
    assert nobody is not None
    assert nobody.message == "no edge can serve behind 192.0.2.20: users get no answer"


def test_alerts_count_the_edges_that_serve() -> None:
    edge = balanced_site().edge
    rules = [rule.expression for rule in edge_rules(watched_site())]
    assert "sum(runbook_holds_address) > 1" in rules
    behind = [rule.expression for rule in edge_rules(balanced_site())]
    assert f"sum({edge.serving_figure}) == 0" in behind
    assert not [expr for expr in behind if "runbook_holds_address" in expr]


# -- leaving


@dataclass
class FakeLink:
    """Records the scripts of an edge; `codes` has the exit status of a script by a word in it."""

    name: str
    order: list[str]
    codes: dict[str, int] = field(default_factory=dict)

    def run(self, script: str, *, timeout: float = 60, check: bool = True) -> Result:
        self.order.append(f"{self.name}: {script}")
        code = next((code for word, code in self.codes.items() if word in script), 0)
        return Result("" if code else "0\n", "no health check has arrived" if code else "", code)


def leave(codes: dict[str, int]) -> list[str]:
    """What is run when edge1 leaves; edge2 takes its users. An error comes last."""
    order: list[str] = []
    links = {name: FakeLink(name, order, codes) for name in ("edge1", "edge2")}
    fleet: Any = type("FakeFleet", (), {"links": links})()
    departure = Departure(fleet, "edge1", ["edge2"], "deploy x", lambda text: None)
    try:
        ExternalBalancer(balanced_site()).leave(departure)
    except RunbookError as error:
        order.append(str(error))
    return order


def test_an_edge_leaves_only_when_the_balancer_has_seen_the_other_well() -> None:
    other, drain, quiet, settle = leave({})
    assert other.startswith("edge2: ")
    assert other.endswith("noticed 200 3 6 18\n")
    assert drain.startswith("edge1: ")
    assert drain.index(EDGE_DRAINED) < drain.index("noticed 503 3 6 18")
    assert ("quiet 2 30" in quiet, "settle 35" in settle) == (True, True)
    assert leave({"noticed 200": 1})[1:] == [
        "edge2: the provider's balancer did not take note within 18 s: no health check has arrived"
    ]


@pytest.mark.parametrize("failing", ["noticed 503", "quiet"])
def test_an_attempt_that_fails_is_undone(failing: str) -> None:
    *_, undo, error = leave({failing: 1})
    assert undo == f"edge1: rm -f {EDGE_DRAINED}\n"
    assert "edge1" in error


def test_users_come_to_the_ports_with_a_proxy_header_if_there_is_one() -> None:
    assert external_balancer.list_user_ports(balanced_site().edge) == [8480, 8443]
    assert external_balancer.list_user_ports(site().edge) == [80, 443]


@pytest.mark.parametrize(
    ("seen", "undrained"), [("", None), ("1 deploy x\n", True), ("watched\n", False)]
)
def test_what_a_dead_run_left(seen: str, undrained: bool | None) -> None:
    change = NoLeftoverDeparture("/run/x").decide(Reading(seen, 0))
    assert (change is None) is (undrained is None)
    if change:
        [command] = change.commands
        assert isinstance(command, Shell)
        assert (EDGE_DRAINED in command.script) is undrained
        assert "rm -f /run/x" in command.script
