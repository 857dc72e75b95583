"""From two readings of an edge to rates."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from samples import NODES, site

from fabfile.control.edge_counts import (
    ANSWERED,
    EdgeCounts,
    Tally,
    UserTally,
    counts_probes,
    parse_counts,
    parse_user_figures,
)
from fabfile.control.live_rates import Rate, add_rates, add_up, find_rates
from fabfile.engine.shell import Reading

STAT = """# pxname,svname,qcur,scur,stot,econ,eresp,wretr,hrsp_5xx,status,rtime,ttime,
users,FRONTEND,,7,90,,,,2,OPEN,,,
health,node1,0,0,0,0,0,0,0,UP,0,0,
health,node2,0,0,0,0,0,0,0,DRAIN,0,0,
health,node3,0,0,0,0,0,0,0,DRAIN,0,0,
health,node4,0,0,0,0,0,0,0,DOWN 1/2,0,0,
ep_movie,node1,1,2,40,1,2,3,4,no check,20,30,
ep_movie,panic-node1,0,1,5,0,0,0,0,no check,9,9,
ep_movie,BACKEND,3,4,50,9,9,9,6,UP,25,35,
"""
FIGURES = f"""edge_requests_total{{endpoint="movie",code="200"}} 90
edge_requests_total{{endpoint="movie",code="503"}} 10
edge_request_seconds_bucket{{endpoint="movie",le="0.1"}} 50
edge_request_seconds_bucket{{endpoint="movie",le="0.4"}} 90
edge_request_seconds_bucket{{endpoint="movie",le="+Inf"}} 100
edge_request_seconds_sum{{endpoint="movie"}} 12
{ANSWERED}
"""


def readings(*, figures: str = FIGURES, stat: str = STAT) -> list[Reading]:
    healing = "proc.healer_drained3: type=bool value=<1>\nnow=100"
    drains = "node2=operator ada: disk"
    outs = ["123.45\n", stat, figures, drains, healing, "", "operator ada: kernel\n"]
    return [Reading(out, 0) for out in outs]


NAMED = [replace(NODES[0], name=f"node{number}") for number in range(1, 5)]


def test_a_reading_is_parsed() -> None:
    seen = parse_counts(NAMED, readings())
    assert seen.seconds == 123.45
    assert seen.endpoints == {"movie": Tally(50, 6, 3, 4, mean_ms=35)}
    assert seen.servers == {("movie", "node1"): Tally(45, 10, 1, 3, mean_ms=20)}
    assert seen.users == {"movie": UserTally(100, 10, {0.1: 50, 0.4: 90, math.inf: 100})}
    assert seen.sessions == 7
    words = ["UP", "drained", "restarting", "DOWN 1/2"]
    assert seen.states == dict(zip([node.name for node in NAMED], words, strict=True))
    assert seen.reasons == {"node2": "operator ada: disk"}
    assert (seen.serves, seen.drained) == (True, "operator ada: kernel")


def test_no_daemon_answers() -> None:
    seen = parse_counts(NAMED, readings(figures="curl: (7) refused\n", stat=""))
    assert (seen.endpoints, seen.servers, seen.states, seen.users) == ({}, {}, {}, None)


def test_before_the_first_user_there_are_no_figures_but_an_answer() -> None:
    assert parse_counts(NAMED, readings(figures=f"{ANSWERED}\n")).users == {}
    assert parse_user_figures("") == {}


@pytest.mark.parametrize("port", [0, 3903])
def test_only_a_watched_site_asks_mtail(port: int) -> None:
    settings = site()
    edge = settings.inventory.having("edge")[0]
    probes = counts_probes(settings, edge, port)
    assert len(probes) == len(readings())
    assert any("curl" in probe for probe in probes) is bool(port)


def at(seconds: float, requests: int, errors: int, **more: object) -> EdgeCounts:
    tally = Tally(requests, errors, queued=2, in_flight=5, mean_ms=20)
    counts = EdgeCounts(seconds, {"movie": tally}, {("movie", "n"): tally, ("other", "n"): tally})
    return replace(counts, **more)  # type: ignore[arg-type]


def test_a_rate_is_the_rise_by_the_edges_own_seconds() -> None:
    found = find_rates(at(10, 100, 4), at(12, 140, 5))
    rate = found.endpoints["movie"]
    assert (rate.requests, rate.errors, rate.queued, rate.in_flight) == (20, 0.5, 2, 5)
    assert rate.error_share == 0.025
    assert rate.mean_ms == 20
    node = found.nodes["n"]  # both endpoints together
    assert (node.requests, node.errors, node.queued, node.mean_ms) == (40, 1, 4, 20)


def test_a_counter_that_began_anew_counts_from_zero() -> None:
    assert find_rates(at(10, 5000, 40), at(12, 6, 0)).endpoints["movie"].requests == 3


def test_nothing_asked_has_no_share_and_no_time() -> None:
    rate = find_rates(at(10, 100, 4), at(12, 100, 4)).endpoints["movie"]
    assert (rate.requests, rate.error_share, rate.mean_ms) == (0, None, None)


def test_a_daemon_that_did_not_answer_makes_no_burst() -> None:
    """All that was counted since its start would look like the requests of two seconds."""
    found = find_rates(EdgeCounts(10), at(12, 9000, 40))
    assert found.endpoints["movie"].requests == found.nodes["n"].requests == 0
    users = {"movie": UserTally(9000, 0, {math.inf: 9000})}
    found = find_rates(at(10, 100, 0), at(12, 140, 0, users=users))
    assert found.endpoints["movie"].requests == 20  # HAProxy's, for this once


def users(requests: int, errors: int, *within: int) -> dict[str, UserTally]:
    bounds = dict(zip((0.1, 0.4, math.inf), within, strict=True))
    return {"movie": UserTally(requests, errors, bounds)}


def test_users_are_counted_at_nginx_where_it_counts() -> None:
    before = at(10, 100, 0, users=users(50, 0, 50, 50, 50))
    now = at(12, 100, 0, users=users(70, 2, 62, 69, 70))
    rate = find_rates(before, now).endpoints["movie"]
    assert (rate.requests, rate.errors, rate.queued) == (10, 1, 2)
    assert [rate.percentile(share) for share in (0.5, 0.9, 0.95, 1)] == [0.1, 0.4, 0.4, math.inf]


def test_an_endpoint_that_only_nginx_knows_has_its_row() -> None:
    """Answers from the cache never reach HAProxy; the first user comes after the first reading."""
    found = find_rates(EdgeCounts(10, users={}), EdgeCounts(12, users=users(4, 0, 4, 4, 4)))
    assert found.endpoints["movie"].requests == 2


def test_rates_of_two_edges_add_up() -> None:
    one = Rate(10, 1, 2, 3, busy_ms=100, within={0.1: 9, math.inf: 10})
    two = Rate(30, 0, 0, 1, busy_ms=900, within={0.1: 0, math.inf: 30})
    total = add_rates([one, two])
    assert (total.requests, total.errors, total.queued, total.in_flight) == (40, 1, 2, 4)
    assert total.mean_ms == 25  # weighted by requests
    assert total.percentile(0.2) == 0.1
    assert total.percentile(0.5) == math.inf
    assert add_up([{"a": one}, {"a": two, "b": one}]) == {"a": total, "b": one}


def test_more_errors_than_requests_are_all_of_them() -> None:
    """Answers of an interval may belong to requests of the one before."""
    assert Rate(2, 6).error_share == 1.0
