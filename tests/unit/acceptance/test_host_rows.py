"""Verdicts on what only the hosts can tell: R17, R18 and R20-R22."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from samples import PROGRAM

from fabfile.acceptance.host_facts import DatabaseFacts, LogBound
from fabfile.acceptance.row import Verdict
from fabfile.acceptance.rows.hosts import (
    clock_row,
    count_requests,
    deploy_row,
    host_rows,
    log_row,
    ready_row,
    traffic_row,
)
from fabfile.control.clocks import Clock
from fabfile.control.counters import EndpointCounts
from fabfile.control.counters import sum_counters as counters_in
from fabfile.engine.errors import Unreachable

HELD, FAILED, UNPROVEN, NOT_TRIED = (
    Verdict.HELD,
    Verdict.FAILED,
    Verdict.UNPROVEN,
    Verdict.NOT_TRIED,
)


@pytest.mark.parametrize(
    ("seconds", "verdict"),
    [
        ({"node1": 0.9, "node2": 4.9}, HELD),
        ({"node1": 0.9, "node2": 5.0}, FAILED),
        ({"node1": float("nan")}, FAILED),
        ({}, FAILED),
    ],
)
def test_ready(seconds: dict[str, float], verdict: Verdict) -> None:
    row = ready_row(seconds)
    assert row.verdict is verdict
    assert ("node2 took 5.0 s" in row.why) == (seconds.get("node2") == 5.0)


@pytest.mark.parametrize(
    ("bound", "why"),
    [
        (LogBound(used=10, limit=100, free=1000), ""),
        (LogBound(used=10, limit=None, free=1000), "node1: nothing bounds the log"),
        (
            LogBound(used=3_000_000, limit=2_000_000, free=1000),
            "node1: 3.0 MB, over its limit of 2.0 MB",
        ),
        (
            LogBound(used=0, limit=2_000_000, free=1000),
            "node1: the disk is full before the log reaches its limit of 2.0 MB",
        ),
    ],
)
def test_log(bound: LogBound, why: str) -> None:
    row = log_row({"node1": bound})
    assert (row.verdict, row.why) == (FAILED if why else HELD, why)


ROWS = {"sessions": 10, "movies": 3}


@pytest.mark.parametrize(
    ("differences", "data", "why", "next"),
    [
        ([], DatabaseFacts(ROWS), "", ""),
        ([], None, "", ""),
        ([], DatabaseFacts(ROWS, ["movies"]), "movies has no valid index on id", "inv db.indexes"),
        ([], DatabaseFacts({"movies": 0}), "movies is empty", "inv db.seed"),
        ([], DatabaseFacts({}), "no table was found", "inv db.seed"),
        ([], DatabaseFacts({**ROWS, "icons": 0}, seeded=("movies",)), "", ""),
        ([], DatabaseFacts({"icons": 7}, seeded=("movies",)), "movies is empty", "inv db.seed"),
        (["node1: change a"], DatabaseFacts(ROWS), "node1: change a", "fab plan, then fab deploy"),
        (
            list("abcde"),
            DatabaseFacts(ROWS),
            "a; b; c; 2 more differences",
            "fab plan, then fab deploy",
        ),
    ],
)
def test_one_command_deploys(
    differences: Sequence[str], data: DatabaseFacts | None, why: str, next: str
) -> None:
    row = deploy_row(differences, data)
    assert (row.verdict, row.why, row.next) == (FAILED if why else HELD, why, next)


def test_a_deploy_row_that_held_says_what_is_there() -> None:
    assert deploy_row([], DatabaseFacts(ROWS)).notes[1] == "10 sessions, 3 movies"


# -- R17

EXPORTED = """haproxy_backend_http_requests_total{proxy="ep_movie"} 7
haproxy_backend_http_requests_total{proxy="ep_other"} 4
haproxy_backend_http_requests_total{proxy="ep_ping"} 9
haproxy_backend_http_responses_total{proxy="ep_movie",code="2xx"} 5
haproxy_backend_http_responses_total{proxy="ep_movie",code="5xx"} 2
"""


def test_counters_are_summed_up_over_edges_and_named_by_requirement() -> None:
    assert counters_in(PROGRAM, [EXPORTED, EXPORTED]) == {"R6": EndpointCounts(14, 4)}, (
        "a ping without errors counted has no figures"
    )
    assert counters_in(PROGRAM, []) == {}


@pytest.mark.parametrize(
    ("after", "verdict", "why"),
    [
        ({"R6": EndpointCounts(110, 1), "R7": EndpointCounts(30, 0)}, HELD, ""),
        (
            {"R6": EndpointCounts(109, 1), "R7": EndpointCounts(30, 0)},
            FAILED,
            "R6: 100 requests were answered, its counter changed by 99",
        ),
        (
            {"R6": EndpointCounts(3, 1), "R7": EndpointCounts(30, 0)},
            FAILED,
            "R6: 100 requests were answered, its counter changed by -7",
        ),
        ({"R6": EndpointCounts(110, 1)}, FAILED, "R7 has no counter of its own"),
    ],
)
def test_figures_must_have_counted_what_was_got(
    after: Mapping[str, EndpointCounts], verdict: Verdict, why: str
) -> None:
    row = traffic_row(
        {"R6": EndpointCounts(10, 0), "R7": EndpointCounts(0, 0)}, after, {"R6": 100, "R7": 30}
    )
    assert (row.verdict, row.why) == (verdict, why)


def test_figures_of_nothing_prove_nothing() -> None:
    assert traffic_row({}, {}, {}).verdict is FAILED


# -- R21


@pytest.mark.parametrize(
    ("clocks", "verdict", "why"),
    [
        ({"a": Clock(0.01, 0.02, "chrony"), "b": Clock(-0.9, 0.05, "chrony")}, HELD, ""),
        ({"a": Clock(-3.04, 0.02, "chrony")}, FAILED, "a is 3.0 s behind"),
        ({"a": Clock(1.2, 0.1, "chrony")}, FAILED, "a is 1.2 s ahead"),
        (
            {"a": Clock(0.6, 0.7, "chrony")},
            UNPROVEN,
            "a answers too slowly to measure: +0.6 ± 0.7 s",
        ),
        ({"a": Clock(0.01, 0.02, "")}, UNPROVEN, "no time service keeps the clock of a right"),
        (
            {"a": Clock(0.0, float("inf"), "chrony")},
            UNPROVEN,
            "a answers too slowly to measure: +0.0 ± inf s",
        ),
        ({}, FAILED, "no host reported"),
    ],
)
def test_clocks(clocks: Mapping[str, Clock], verdict: Verdict, why: str) -> None:
    row = clock_row(clocks)
    assert (row.verdict, row.why) == (verdict, why)


def test_clocks_that_are_right_say_how_right_and_by_whom() -> None:
    row = clock_row(
        {"a": Clock(0.01, 0.02, "chrony"), "b": Clock(-0.04, 0.05, "systemd-timesyncd")}
    )
    assert row.notes == [
        "2 hosts at most 90 ms from this machine's clock, transit included; kept by chrony,"
        " systemd-timesyncd"
    ]


# -- all of them


class Hosts:
    """Facts of healthy hosts, one of which cannot be reached for its log."""

    def __init__(self) -> None:
        self.asked = 0

    def traffic(self) -> dict[str, EndpointCounts]:
        self.asked += 5
        return {"R6": EndpointCounts(self.asked, 0)}

    def differences(self) -> list[str]:
        return []

    def clocks(self) -> dict[str, Clock]:
        return {"node1": Clock(0.0, 0.01, "chrony")}

    def ready_seconds(self) -> dict[str, float]:
        return {"node1": 1.0}

    def log_bounds(self) -> dict[str, LogBound]:
        raise Unreachable("node2 does not answer", "", "fab status")

    def database(self) -> DatabaseFacts | None:
        return None


def test_rows_of_the_hosts() -> None:
    ids = ["R17", "R18", "R20", "R21", "R22"]
    assert [(row.id, row.verdict) for row in host_rows(None)] == [(id, NOT_TRIED) for id in ids]
    hosts = Hosts()
    rows = host_rows(hosts, count_requests(hosts), {"R6": 5})
    assert [(row.id, row.verdict) for row in rows] == list(
        zip(ids, [HELD] * 4 + [FAILED], strict=True)
    )
    assert rows[-1].why == "could not be read: node2 does not answer"


def test_counters_that_could_not_be_read_before_the_load_fail_their_row_alone() -> None:
    rows = host_rows(Hosts(), Unreachable("edge1 does not answer", "", "fab status"), {"R6": 5})
    assert (rows[0].verdict, rows[0].why) == (FAILED, "could not be read: edge1 does not answer")
    assert rows[1].verdict is HELD
