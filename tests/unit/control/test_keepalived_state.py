"""What is said of an edge, when the address is moved away from it, and what a dead run may have
left."""

from __future__ import annotations

from dataclasses import replace

import pytest
from samples import EDGE, NODES, site

from fabfile.control.edge_drain import EDGE_DRAINED
from fabfile.control.edges import Edges, _other_able_edges, _reason_to_stay
from fabfile.control.floating_address import FloatingAddress
from fabfile.control.front import EdgeState
from fabfile.control.site_front import parse_edge
from fabfile.engine.command import Shell
from fabfile.engine.shell import Reading
from fabfile.roles import keepalived
from fabfile.settings.inventory import Inventory
from fabfile.steps.leftovers import NoLeftoverHandover

HOLDER = EdgeState("edge1", serves=True, running=True, healthy=True)
FRONT = FloatingAddress("192.0.2.10")
ABLE = EdgeState("edge2", running=True, healthy=True)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("serves\nrunning\nhealthy\n", HOLDER),
        ("", EdgeState("edge1")),
        (
            "running\nhealthy\ndrained operator anna@desk a look\n",
            replace(ABLE, name="edge1", drained="operator anna@desk a look"),
        ),
        ("running\ndrained \n", EdgeState("edge1", running=True, drained="unknown by whom")),
    ],
)
def test_an_edge_as_it_sees_itself(text: str, seen: EdgeState) -> None:
    assert parse_edge(site(), "edge1", text) == seen


@pytest.mark.parametrize(
    ("second", "others"),
    [
        (ABLE, ["edge2"]),
        (replace(ABLE, healthy=False), []),
        (replace(ABLE, running=False), []),
        (replace(ABLE, drained="operator anna@desk"), []),
        (EdgeState("edge2", reachable=False), []),
    ],
)
def test_who_could_have_the_address_instead(second: EdgeState, others: list[str]) -> None:
    view = {"edge1": HOLDER, "edge2": second}
    assert _other_able_edges("edge1", view) == others
    assert bool(_reason_to_stay(FRONT, "edge1", view)) is not bool(others)


def test_nothing_is_moved_from_an_edge_that_does_not_hold_it_nor_on_a_site_without_an_address() -> (
    None
):
    view = {"edge1": HOLDER, "edge2": ABLE}
    assert _reason_to_stay(FRONT, "edge2", view) == "the edge does not hold the floating address"
    assert _reason_to_stay(FRONT, "edge1", {}) == "no floating address to move"
    assert Edges(replace(site(), edge=replace(EDGE, address=""))).view() == {}


@pytest.mark.parametrize(
    ("seen", "undo"),
    [
        ("", None),
        ("1 deploy 20260101T000000-dead00\n", True),
        ("1 deploy 20260101T000000-dead00\naddress\n", True),
        ("rules\n", False),
        ("address\n", False),
    ],
)
def test_a_dead_run_s_handover_is_ended_and_only_a_deploy_s_drain_undone(
    seen: str, undo: bool | None
) -> None:
    change = NoLeftoverHandover("192.0.2.10").decide(Reading(seen, 0))
    assert (change is None) is (undo is None)
    if change:
        [command] = change.commands
        assert isinstance(command, Shell)
        assert "edge-handover end 192.0.2.10" in command.script
        assert (f"rm -f {EDGE_DRAINED}" in command.script) is undo


def test_every_edge_speaks_to_all_others_and_none_has_a_claim_of_its_own() -> None:
    alone = replace(site(), inventory=Inventory(NODES[:1]))
    assert "unicast_peer" not in keepalived.keepalived_config(alone, NODES[0])
    first, second = (keepalived.keepalived_config(site(), node) for node in NODES[:2])
    assert "unicast_src_ip 192.0.2.11\n    unicast_peer {\n        192.0.2.12\n    }" in first
    swapped = (
        first.replace("192.0.2.11", "?")
        .replace("192.0.2.12", "192.0.2.11")
        .replace("?", "192.0.2.12")
    )
    assert swapped == second
