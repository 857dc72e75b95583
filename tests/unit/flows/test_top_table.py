"""How `fab top` reads: one row an edge, node and endpoint, at 80 columns; what is lost says so."""

from __future__ import annotations

import io
import json
import math

import pytest
from rich.console import Console
from samples import PROGRAM

from fabfile.control.edge_counts import EdgeCounts, Tally, UserTally
from fabfile.control.floating_address import FloatingAddress
from fabfile.control.front import Front, OwnAddresses
from fabfile.engine.errors import RunbookError, Unreachable
from fabfile.flows.top import _parse_interval
from fabfile.flows.top_table import (
    EdgeFeed,
    describe_edge,
    describe_node,
    endpoint_titles,
    rates_as_json,
    show_bound,
    view_rates,
)

FLOATING = FloatingAddress("192.0.2.10")
TITLES = endpoint_titles(PROGRAM)
NAME = next(iter(TITLES))


def counts(seconds: float, requests: int, errors: int = 0, **more: object) -> EdgeCounts:
    tally = Tally(requests, errors, queued=3, in_flight=4, mean_ms=20)
    known: dict[str, object] = {
        "endpoints": {NAME: tally},
        "servers": {(NAME, "node1"): tally},
        "states": {"node1": "UP", "node2": "DOWN"},
        "serves": True,
    }
    return EdgeCounts(seconds, **{**known, **more})  # type: ignore[arg-type]


def feed(name: str, *news: EdgeCounts | RunbookError) -> EdgeFeed:
    made = EdgeFeed(name)
    for one in news:
        made.take(one)
    return made


def picture(*feeds: EdgeFeed, live: bool = False) -> list[str]:
    out = Console(file=io.StringIO(), width=80)
    out.print(view_rates(PROGRAM, feeds, ["node1", "node2"], "totals", front=FLOATING, live=live))
    return out.file.getvalue().splitlines()  # type: ignore[attr-defined]


def row(lines: list[str], name: str) -> list[str]:
    (found,) = [line for line in lines if line.startswith(name)]
    return found.removeprefix(name).split()


def test_the_picture_fits_80_columns_and_names_every_endpoint() -> None:
    lines = picture(feed("edge1", counts(10, 0), counts(12, 100, 50)))
    assert max(map(len, lines)) <= 80
    assert row(lines, "edge1")[:5] == ["50.0", "50.0", "%", "3", "4"]
    assert row(lines, "node1") == ["50.0", "50.0", "%", "3", "4", "20", "ms", "UP"]
    assert row(lines, "node2") == ["·", "·", "·", "·", "DOWN"]
    for title in TITLES.values():
        assert any(line.startswith(title) for line in lines)
    assert row(lines, TITLES[NAME] + " ")[-2:] == ["20", "ms"]
    assert lines[-1].rstrip() == "totals"


def test_a_live_picture_has_its_totals_where_a_low_screen_keeps_them() -> None:
    assert picture(feed("edge1", counts(10, 0), counts(12, 8)), live=True)[0].rstrip() == "totals"


def test_percentiles_are_shown_where_nginx_counts() -> None:
    def users(requests: int) -> dict[str, UserTally]:
        return {NAME: UserTally(requests, 0, {0.05: requests // 2, math.inf: requests})}

    lines = picture(feed("e", counts(10, 0, users=users(0)), counts(12, 0, users=users(10))))
    assert row(lines, TITLES[NAME] + " ")[-3:] == ["≤50", "ms", "slow"]


def test_a_lost_edge_has_its_reason_and_no_old_rates() -> None:
    lost = feed("edge1", counts(10, 0), counts(12, 9), Unreachable("no route to host"))
    well = feed("edge2", counts(10, 0), counts(12, 8))
    assert lost.is_known
    assert row(picture(lost, well), "edge1")[-4:] == ["no", "route", "to", "host"]
    # The first reading after the outage gives no rate: it would be one over the whole outage.
    lost.take(counts(900, 80_000))
    assert not lost.is_known
    assert lost.rates.endpoints == {}


@pytest.mark.parametrize(
    ("known", "front", "said"),
    [
        ({}, FLOATING, "holds the address"),
        ({"serves": False}, FLOATING, "stands by"),
        ({"serves": False}, OwnAddresses(), ""),
        ({"drained": "operator ada"}, FLOATING, "drained: operator ada"),
        ({"endpoints": {}}, FLOATING, "HAProxy does not answer"),
    ],
)
def test_what_an_edge_does(known: dict[str, object], front: Front, said: str) -> None:
    assert describe_edge(feed("e", counts(10, 0, **known)), front)[0] == said


@pytest.mark.parametrize(
    ("states", "said", "style"),
    [
        (("UP", "UP"), "UP", "green"),
        (("UP", "DOWN"), "UP on edge1, DOWN on edge2", "bold red"),
        (("drained", "drained"), "drained: operator ada: disk", "yellow"),
        (("restarting", "restarting"), "restarting", "yellow"),
    ],
)
def test_how_the_edges_see_a_node(states: tuple[str, str], said: str, style: str) -> None:
    reasons = {"n": "operator ada: disk"} if "drained" in states else {}
    feeds = [
        feed(f"edge{number}", counts(10, 0, states={"n": state}, reasons=reasons))
        for number, state in enumerate(states, 1)
    ]
    assert describe_node("n", feeds) == (said, style)


def test_a_node_that_no_edge_sees_is_not_called_well() -> None:
    assert describe_node("n", [feed("edge1", Unreachable("gone"))])[0] == "not known"
    assert describe_node("n", [feed("edge1", counts(10, 0))]) == ("unknown", "bold red")


def test_json_has_the_same_rows_and_plain_numbers() -> None:
    seen = [feed("edge1", counts(10, 0), counts(12, 8)), feed("edge2", Unreachable("gone"))]
    data = json.loads(
        json.dumps(rates_as_json(PROGRAM, seen, ["node1"], front=FLOATING), allow_nan=False)
    )
    assert [(edge["edge"], edge["reachable"]) for edge in data["edges"]] == [
        ("edge1", True),
        ("edge2", False),
    ]
    assert data["nodes"][0]["requests"] == 4
    assert [row["endpoint"] for row in data["endpoints"]] == list(TITLES)
    assert data["endpoints"][0]["mean_ms"] == 20


def test_bounds_are_shown_in_people_s_units() -> None:
    assert [show_bound(seconds) for seconds in (0.01, 0.4, 1, 15, math.inf)] == [
        "≤10 ms",
        "≤400 ms",
        "≤1 s",
        "≤15 s",
        "slow",
    ]


@pytest.mark.parametrize("typed", ["abc", "", "0", "-2", "nan", "inf", "61"])
def test_an_interval_that_is_none_is_refused(typed: str) -> None:
    with pytest.raises(RunbookError, match="is not a time between"):
        _parse_interval(typed)


def test_an_interval_is_in_seconds() -> None:
    assert _parse_interval("0.5") == 0.5
