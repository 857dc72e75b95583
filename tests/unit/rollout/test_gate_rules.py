"""The gate's decision, and where a fleet goes back to: tables of cases."""

from __future__ import annotations

import pytest
from samples import GATE, PROGRAM

from fabfile.control.haproxy_stats import Server
from fabfile.control.releases import InstalledRelease, parse_releases, previous_release
from fabfile.engine.errors import RunbookError
from fabfile.engine.shell import Reading
from fabfile.flows.rollback import named_release, release_before
from fabfile.rollout.gate import judge_gate, seen_by_balancers
from fabfile.steps.gate import ReleaseProven

UNIT = "unit MainPID=41 NRestarts=0 ActiveState=active"
ASKED = ["ask /ping 200 900", "ask /db_dummy 200 101000", "ask /api/movie/1 200 3000"]


def looked(
    watched: list[str], asked: list[str] = ASKED, first: str = UNIT, last: str = UNIT
) -> str:
    return "\n".join([first, *asked, *(f"watch {one}" for one in watched), last, ""])


GOOD = ["/api/movie/1 200 5000"] * 100
CASES = {
    "all is well": (looked(GOOD), ""),
    "the unit is not active": (
        looked(GOOD, first=UNIT.replace("=active", "=failed")),
        "unit failed (must be active)",
    ),
    "nothing listens": (
        looked(GOOD, ["ask /ping 000 90", "ask /db_dummy 000 90"]),
        "port does not answer (must answer)",
    ),
    "it feels bad": (looked(GOOD, ["ask /ping 500 900"]), "GET /ping 500 (must be 200)"),
    "no way to the database": (
        looked(GOOD, ["ask /ping 200 1", "ask /db_dummy 500 9"]),
        "GET /db_dummy 500",
    ),
    "no row": (looked(GOOD, ["ask /ping 200 1", "ask /api/movie/1 404 9"]), "GET /api/movie/1 404"),
    "a deleted session": (looked(GOOD, [*ASKED, "ask /api/session/1 404 9"]), ""),
    "it was restarted": (
        looked(GOOD, last=UNIT.replace("41", "57")),
        "process ended while it was watched",
    ),
    "it ended": (
        looked(GOOD, last=UNIT.replace("=active", "=activating")),
        "process ended while it was watched",
    ),
    "one in a hundred": (looked([*GOOD[1:], "/api/movie/1 500 10"]), ""),
    "two in a hundred": (
        looked([*GOOD[2:], *["/api/movie/1 500 10"] * 2]),
        "failed reads 2.0 % (at most 1 %)",
    ),
    "two without answer": (
        looked([*GOOD[2:], *["/api/movie/1 000 2000000"] * 2]),
        "failed reads 2.0 % (at most 1 %)",
    ),
    "ten slow": (looked([*GOOD[10:], *["/api/movie/1 200 700000"] * 10]), ""),
    "eleven slow": (
        looked([*GOOD[11:], *["/api/movie/1 200 700000"] * 11]),
        "p90 of reads 700 ms (at most 400 ms)",
    ),
    "the script was cut off": ("", "unit ? (must be active)"),
    "nothing was watched": (looked([]), "reads 0 (must be some)"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_the_gate_says(case: str) -> None:
    out, said = CASES[case]
    failed = judge_gate(PROGRAM, out, GATE).failed
    assert str(failed or "").startswith(said), failed
    assert bool(failed) == bool(said)


def server(requests: int, errors: int, status: str = "UP") -> dict[str, Server]:
    return {"node1": Server("node1", status, 0, 0, requests, errors)}


BALANCERS = {
    "nobody came": ({"edge1": server(7, 3)}, {"edge1": server(7, 3)}, ""),
    "all went well": ({"edge1": server(7, 3)}, {"edge1": server(200, 3)}, ""),
    "one of few failed": ({"edge1": server(0, 0)}, {"edge1": server(10, 1)}, ""),
    "two of few failed": (
        {"edge1": server(0, 0)},
        {"edge1": server(10, 2)},
        "edge1: failed requests 2 of 10",
    ),
    "two of many failed": ({"edge1": server(0, 0)}, {"edge1": server(200, 2)}, ""),
    "all were asked elsewhere": (
        {"edge1": server(0, 0)},
        {"edge1": server(0, 9)},
        "edge1: failed requests 9 of 0",
    ),
    "not up at one": (
        {"edge1": server(0, 0), "edge2": server(0, 0)},
        {"edge1": server(0, 0), "edge2": server(0, 0, "DOWN 1/2")},
        "edge2 sees it DOWN 1/2 (must be UP)",
    ),
    "a balancer began anew": ({"edge1": server(500, 0)}, {"edge1": server(3, 3)}, ""),
    "an edge came back": ({}, {"edge1": server(3, 3)}, ""),
}


@pytest.mark.parametrize("case", BALANCERS)
def test_what_the_balancers_see(case: str) -> None:
    before, after, said = BALANCERS[case]
    failed = seen_by_balancers("node1", before, after, GATE).failed
    assert str(failed or "").startswith(said)
    assert bool(failed) == bool(said)


def kept(id: str, proven: str = "", current: bool = False) -> InstalledRelease:
    return InstalledRelease(id, "2026-01-01T00:00:00Z", 1, current, proven)


PREVIOUS = {
    "nothing but the bad one": ({"node1": [kept("bad")]}, ""),
    "one that was never proven": ({"node1": [kept("bad"), kept("a")]}, ""),
    "the one proven last": (
        {"node1": [kept("bad"), kept("a", "2026-01-02"), kept("b", "2026-01-03")]},
        "b",
    ),
    "not the bad one itself": (
        {"node1": [kept("bad", "2026-01-09"), kept("a", "2026-01-02")]},
        "a",
    ),
    "only what lies on all": (
        {
            "node1": [kept("b", "2026-01-03"), kept("a", "2026-01-02")],
            "node2": [kept("a", "2026-01-02"), kept("bad")],
        },
        "a",
    ),
    "proven on one of them": ({"node1": [kept("a", "2026-01-02")], "node2": [kept("a")]}, "a"),
    "nobody to ask": ({}, ""),
}


@pytest.mark.parametrize("case", PREVIOUS)
def test_where_a_fleet_goes_back_to(case: str) -> None:
    nodes, wanted = PREVIOUS[case]
    assert previous_release(nodes, "bad") == wanted


def test_the_releases_of_a_node_are_read() -> None:
    out = (
        'aaa 2026-01-01T00:00:00Z 8500000 - {"release": "aaa", "proven": "2026-01-02T00:00:00Z",'
        ' "how": "so so"}\nbbb 2026-02-01T00:00:00Z 8500001 current \nccc 2026-01-15T00:00:00Z 3 -'
        ' {"release": "cc\n'
    )
    assert parse_releases(out) == [
        InstalledRelease("bbb", "2026-02-01T00:00:00Z", 8500001, True, ""),
        InstalledRelease("ccc", "2026-01-15T00:00:00Z", 3, False, ""),
        InstalledRelease("aaa", "2026-01-01T00:00:00Z", 8500000, False, "2026-01-02T00:00:00Z"),
    ]


@pytest.mark.parametrize(
    ("seen", "due"),
    [("proven\n", False), ("", True), ("pending\n", True), ("proven\npending\n", True)],
)
def test_who_must_pass_the_gate(seen: str, due: bool) -> None:
    step = ReleaseProven("bingo.service", "abc")
    assert (step.decide(Reading(seen, 0)) is not None) is due
    foreseen = step.predict(Reading("proven\n", 0), ["restart:bingo.service", "gate:bingo.service"])
    assert step.decide(foreseen) is not None
    assert step.decide(step.predict(Reading("proven\n", 0), ["restart:haproxy.service"])) is None


REFUSED = {
    "nothing begins so": ("zz", {"node1": [kept("aa")]}, "no release on the nodes begins with zz"),
    "two begin so": ("a", {"node1": [kept("aa"), kept("ab")]}, "aa, ab begin with a"),
    "not on all": (
        "aa",
        {"node1": [kept("aa")], "node2": [kept("ab")]},
        "release aa is not stored on node2",
    ),
    "the nodes differ": (
        "",
        {"node1": [kept("aa", current=True)], "node2": []},
        "node1 runs aa, node2 runs none",
    ),
    "nothing else was proven": (
        "",
        {"node1": [kept("aa", "2026-01-01", current=True), kept("ab")]},
        "no other release stored on every node has passed the gate",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_rollback_that_is_not_clear_is_refused(case: str) -> None:
    to, nodes, said = REFUSED[case]
    with pytest.raises(RunbookError) as error:
        _ = named_release(nodes, to) if to else release_before(nodes)
    assert error.value.problem == said
    assert error.value.next.startswith("fab ")


def test_a_rollback_goes_to_the_one_that_is_named_or_was_proven_before() -> None:
    nodes = {
        "node1": [
            kept("abc", "2026-01-02"),
            kept("aef", "2026-01-01"),
            kept("now", "2026-01-03", current=True),
        ]
    }
    assert (named_release(nodes, "ae"), named_release(nodes, "now"), release_before(nodes)) == (
        "aef",
        "now",
        "abc",
    )
