"""What the healer's judge and guard decide: table cases, without a host."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from healer import guard
from healer.config import Config
from healer.judge import judge
from healer.model import Act, Decision, Observation, Ping, Seen, View

MB = 1 << 20
CONFIG = Config(
    node="node1",
    order=0,
    peers=("node2",),
    unit="bingo.service",
    port=17000,
    health="/ping",
    memory_max=512 * MB,
    lifetime=480.0,
    patience=15.0,
    edges=(("edge1", "192.0.2.11"), ("edge2", "192.0.2.12")),
    edge_port=8405,
    databases=(("192.0.2.31", 5432),),
    database_user="bingo",
    database_name="bingo",
    lock="/nonexistent/lock",
    run="/nonexistent",
)


def looks(
    *pings: Ping, every: float = 1.0, database: bool | None = None, **fixed: object
) -> list[Observation]:
    """Observations of one process, one after the other; the database is asked when a ping is
    bad."""
    well = Observation(at=0.0, active=True, pid=7, age=60.0, rss=50 * MB)
    return [
        well._replace(
            at=100.0 + number * every,
            ping=ping,
            database=None if ping is Ping.OK else database,
            **fixed,
        )  # type: ignore[arg-type]
        for number, ping in enumerate(pings)
    ]


OK, BUSY, WRONG, HUNG, REFUSED = Ping.OK, Ping.BUSY, Ping.WRONG, Ping.HUNG, Ping.REFUSED


@pytest.mark.parametrize(
    ("pings", "act", "cause"),
    [
        ([OK], Act.NOTHING, ""),
        ([OK, HUNG], Act.NOTHING, ""),
        ([OK, HUNG, HUNG], Act.NOTHING, ""),
        ([OK, HUNG, HUNG, HUNG], Act.RESTART, "hang"),
        ([OK, WRONG, WRONG, WRONG], Act.RESTART, "wrong-answers"),
        ([OK, REFUSED, REFUSED, REFUSED], Act.RESTART, "closed-port"),
        ([HUNG, REFUSED, WRONG], Act.RESTART, "wrong-answers"),
        ([HUNG, HUNG, OK, HUNG, HUNG], Act.NOTHING, ""),  # not in a row
        ([BUSY] * 20, Act.NOTHING, ""),  # at its limit of requests, it is well
        ([HUNG, HUNG, BUSY, HUNG], Act.NOTHING, ""),
    ],
)
def test_three_bad_pings_in_a_row_are_an_illness(
    pings: Sequence[Ping], act: Act, cause: str
) -> None:
    decision = judge(CONFIG, looks(*pings, database=True))
    assert (decision.act, decision.cause) == (act, cause), decision.sentence


def test_a_stopped_or_starting_app_is_not_the_healers_business() -> None:
    seen = [one._replace(active=False) for one in looks(*[REFUSED] * 9)]
    assert judge(CONFIG, seen).act is Act.NOTHING
    assert "systemd" in judge(CONFIG, seen).sentence


def test_what_the_process_before_did_does_not_count() -> None:
    seen = looks(HUNG, HUNG, HUNG, HUNG, database=True)
    seen = [one._replace(pid=6) for one in seen[:3]] + seen[3:]
    assert judge(CONFIG, seen).act is Act.NOTHING


def test_a_dead_database_is_not_the_apps_fault_and_its_return_gets_time() -> None:
    dead = looks(*[WRONG] * 9, database=False)
    assert judge(CONFIG, dead).act is Act.NOTHING
    assert "database" in judge(CONFIG, dead).sentence
    back = [one._replace(at=one.at + 9, database=True) for one in looks(*[WRONG] * 12)]
    assert judge(CONFIG, dead + back[:9]).act is Act.NOTHING
    assert judge(CONFIG, dead + back).act is Act.RESTART  # ten seconds later it has no excuse


@pytest.mark.parametrize(
    ("vain", "looked", "act"), [(0, 3, "R"), (1, 3, "N"), (1, 4, "R"), (4, 20, "N"), (4, 25, "R")]
)
def test_restarts_that_do_not_help_come_ever_more_rarely(vain: int, looked: int, act: str) -> None:
    decision = judge(CONFIG, looks(*[WRONG] * looked, database=True), vain)
    assert decision.act is (Act.RESTART if act == "R" else Act.NOTHING), decision.sentence


def test_they_come_once_in_45_seconds_in_the_end() -> None:
    assert judge(CONFIG, looks(*[WRONG] * 45, database=True), 50).act is Act.NOTHING
    assert judge(CONFIG, looks(*[WRONG] * 47, database=True), 50).act is Act.RESTART


@pytest.mark.parametrize(
    ("sizes", "act"),
    [
        ([50] * 20, Act.NOTHING),
        ([357], Act.NOTHING),
        ([359], Act.RECYCLE),  # 70 % of 512
        ([486], Act.RECYCLE),
        ([487], Act.RESTART),  # 95 %: too late to drain
        ([50, 70, 90, 110, 130, 150, 170, 190], Act.RECYCLE),  # climbs steadily
        ([50, 70, 90, 110, 130, 150, 170], Act.NOTHING),  # not for long enough
        ([50, 70, 90, 110, 110, 150, 170, 190], Act.NOTHING),  # a pause: a long list, perhaps
        ([50, 51, 52, 53, 54, 55, 56, 57], Act.NOTHING),
    ],
)
def test_a_leak_is_seen_by_size_or_by_climbing(sizes: list[int], act: Act) -> None:
    seen = [
        one._replace(rss=size * MB)
        for one, size in zip(looks(*[OK] * len(sizes)), sizes, strict=True)
    ]
    decision = judge(CONFIG, seen)
    assert decision.act is act, decision.sentence
    assert act is Act.NOTHING or decision.cause == "leak"


@pytest.mark.parametrize(
    ("age", "lifetime", "order", "peer", "act"),
    [
        (479, 480, 0, None, Act.NOTHING),
        (480, 480, 0, None, Act.RECYCLE),
        (480, 480, 1, 240, Act.RECYCLE),
        (9999, 0, 0, 9999, Act.NOTHING),  # switched off
        (240, 480, 0, 240, Act.RECYCLE),  # started together: the first makes up the difference
        (240, 480, 1, 240, Act.NOTHING),  # the last does not
        (239, 480, 0, 239, Act.NOTHING),
        (300, 480, 0, 181, Act.RECYCLE),
        (300, 480, 0, 60, Act.NOTHING),  # apart already
        (240, 480, 0, None, Act.NOTHING),
    ],
)
def test_it_is_recycled_before_it_is_old_and_apart_from_the_peer(
    age: float, lifetime: float, order: int, peer: float | None, act: Act
) -> None:
    config = CONFIG._replace(lifetime=lifetime, order=order)
    decision = judge(config, looks(OK, age=age), 0, peer)
    assert decision.act is act, decision.sentence
    assert act is Act.NOTHING or decision.cause == "age"


def test_an_old_app_that_hangs_is_not_drained_but_restarted() -> None:
    assert judge(CONFIG, looks(HUNG, age=999.0)).act is Act.NOTHING
    assert judge(CONFIG, looks(HUNG, HUNG, HUNG, age=999.0, database=True)).act is Act.RESTART


# -- the guard


def node(status: str, since: float = 100, check: str = "L7OK") -> Seen:
    return Seen(status, since, check, 0)


def views(*peers: Seen, own: Seen | None = None) -> list[View]:
    """One edge for each way the peer is seen."""
    edges = enumerate(peers, 1)
    return [
        View(f"edge{number}", {"node1": own or node("UP"), "node2": peer}) for number, peer in edges
    ]


ILLNESS = Decision(Act.RESTART, "hang", "it hangs")
LEAK = Decision(Act.RECYCLE, "leak", "it leaks")
FULL = Decision(Act.RESTART, "leak", "it is too late to drain it")
AGE = Decision(Act.RECYCLE, "age", "it is old")
UP, DOWN = node("UP"), node("DOWN", 3, "L4CON")


@pytest.mark.parametrize(
    ("decision", "seen", "go"),
    [
        (ILLNESS, views(UP, UP), True),
        (ILLNESS, views(UP, DOWN), True),  # somebody is served
        (ILLNESS, views(DOWN, DOWN), False),  # it died just now, and comes back by itself
        (ILLNESS, views(node("DOWN", 15, "L4CON")), True),  # it had its time
        (ILLNESS, views(node("DOWN", 3, "L4TOUT")), False),
        (ILLNESS, views(node("DOWN", 3, "L7STS")), True),  # ill as well: one of them has to begin
        (ILLNESS, views(node("DOWN", 3, "L7TOUT")), True),
        (ILLNESS, views(node("DRAIN", 3, "L7OK")), True),
        (ILLNESS, views(node("DRAIN", 3, "L4CON")), False),  # on purpose, and about to return
        (LEAK, views(UP, UP), True),
        (LEAK, views(UP, DOWN), False),
        (LEAK, views(node("UP 1/2"), UP), False),
        (LEAK, views(node("DRAIN"), UP), False),
        (LEAK, views(node("UP", 2)), True),
        (AGE, views(node("UP", 2)), False),  # not urgent: let it warm up first
        (AGE, views(node("UP", 8)), True),
        (LEAK, [], False),
        (FULL, views(UP, DOWN), True),
        (FULL, views(node("DOWN", 3, "L7STS")), False),  # it serves still, nobody else does
        (FULL, views(node("DOWN", 99, "L4CON")), False),
        (AGE, [], False),
    ],
)
def test_the_peer_must_serve_or_not_be_about_to_return(
    decision: Decision, seen: list[View], go: bool
) -> None:
    verdict = guard.may(CONFIG, decision, seen, ill_for=5, locked="", held=False)
    assert verdict.go is go, verdict.why


@pytest.mark.parametrize(("order", "ill_for", "go"), [(0, 0, True), (1, 4, False), (1, 11, True)])
def test_when_no_balancer_answers_the_nodes_take_turns(
    order: int, ill_for: float, go: bool
) -> None:
    config = CONFIG._replace(order=order)
    assert guard.may(config, ILLNESS, [], ill_for=ill_for, locked="", held=False).go is go


@pytest.mark.parametrize("decision", [ILLNESS, LEAK, AGE])
def test_a_drain_by_somebody_else_makes_it_stand_still(decision: Decision) -> None:
    assert not guard.may(CONFIG, decision, views(UP), ill_for=99, locked="", held=True).go
    assert not guard.may(
        CONFIG, decision, views(UP), ill_for=99, locked="anna@desk's deploy", held=True
    ).go


@pytest.mark.parametrize(
    ("decision", "ill_for", "go"),
    [(ILLNESS, 5, False), (ILLNESS, 21, True), (LEAK, 99, False), (AGE, 99, False)],
)
def test_a_deploy_that_holds_the_node_gets_time_to_mend_it(
    decision: Decision, ill_for: float, go: bool
) -> None:
    verdict = guard.may(
        CONFIG, decision, views(UP), ill_for=ill_for, locked="anna@desk's deploy", held=False
    )
    assert verdict.go is go
    assert go or "anna@desk" in verdict.why


def test_a_single_node_is_healed_but_never_recycled() -> None:
    config = CONFIG._replace(peers=())
    alone = [View("edge1", {"node1": node("DOWN")}, False)]
    assert guard.may(config, ILLNESS, alone, ill_for=5, locked="", held=False).go
    assert not guard.may(config, AGE, alone, ill_for=5, locked="", held=False).go


@pytest.mark.parametrize(
    ("own", "mine", "kept_out", "held"),
    [
        (node("UP"), False, False, False),
        (node("DRAIN"), False, False, True),  # by HAProxy's socket alone
        (node("MAINT"), False, False, True),
        (node("DRAIN"), True, False, False),
        (node("DRAIN"), False, True, True),
        (node("DOWN"), False, True, True),
        (node("DOWN"), False, False, False),
        (node("DRAIN"), True, True, True),
    ],
)
def test_whose_drain_it_is(own: Seen, mine: bool, kept_out: bool, held: bool) -> None:
    seen = [view._replace(mine=mine, kept_out=kept_out) for view in views(UP, own=own)]
    assert guard.drained_by_another(CONFIG, seen) is held
    assert not guard.drained_by_another(CONFIG, [])


def test_the_peers_age_is_what_the_balancers_have_seen_of_it() -> None:
    assert guard.peer_age(CONFIG, views(node("UP", 300), node("UP", 290))) == 290
    assert guard.peer_age(CONFIG, views(DOWN)) is None
    assert guard.peer_age(CONFIG, []) is None
