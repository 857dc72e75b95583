"""What the healer's diagnosis and guard decide: tables of cases, without a host."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from healer import guard
from healer.config import Config, HealthRule
from healer.diagnosis import diagnose
from healer.model import Act, AppObservation, Decision, EdgeReport, Ping, ServerState

MB = 1 << 20
CONFIG = Config(
    node="node1",
    order=0,
    peers=("node2",),
    unit="bingo.service",
    port=17000,
    health_path="/ping",
    health=HealthRule("GET /ping HTTP/1.0\r\n\r\n"),
    memory_max=512 * MB,
    lifetime=480.0,
    peer_wait=15.0,
    edges=(("edge1", "192.0.2.11"), ("edge2", "192.0.2.12")),
    edge_port=8405,
    databases=(("192.0.2.31", 5432),),
    database_user="bingo",
    database_name="bingo",
    lock_file="/nonexistent/lock",
    runtime_folder="/nonexistent",
)


def observations(
    *pings: Ping, every: float = 1.0, database: bool | None = None, **fixed: object
) -> list[AppObservation]:
    """Observations of one process; only a bad ping has an answer of the database."""
    well = AppObservation(at=0.0, active=True, pid=7, age=60.0, rss=50 * MB)
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
def test_three_bad_pings_in_a_row_make_an_app_ill(
    pings: Sequence[Ping], act: Act, cause: str
) -> None:
    decision = diagnose(CONFIG, observations(*pings, database=True))
    assert (decision.act, decision.cause) == (act, cause), decision.sentence


def test_a_stopped_or_starting_app_is_left_to_systemd() -> None:
    seen = [observation._replace(active=False) for observation in observations(*[REFUSED] * 9)]
    assert diagnose(CONFIG, seen).act is Act.NOTHING
    assert "systemd" in diagnose(CONFIG, seen).sentence


def test_pings_of_the_previous_process_do_not_count() -> None:
    seen = observations(HUNG, HUNG, HUNG, HUNG, database=True)
    seen = [observation._replace(pid=6) for observation in seen[:3]] + seen[3:]
    assert diagnose(CONFIG, seen).act is Act.NOTHING


def test_no_restart_while_the_database_is_down_or_has_just_come_back() -> None:
    dead = observations(*[WRONG] * 9, database=False)
    assert diagnose(CONFIG, dead).act is Act.NOTHING
    assert "database" in diagnose(CONFIG, dead).sentence
    back = [
        observation._replace(at=observation.at + 9, database=True)
        for observation in observations(*[WRONG] * 12)
    ]
    assert diagnose(CONFIG, dead + back[:9]).act is Act.NOTHING
    assert (
        diagnose(CONFIG, dead + back).act is Act.RESTART
    )  # ten seconds later the app must have reconnected


@pytest.mark.parametrize(
    ("failed_restarts", "pings", "act"),
    [(0, 3, "R"), (1, 3, "N"), (1, 4, "R"), (4, 20, "N"), (4, 25, "R")],
)
def test_the_pause_between_restarts_that_do_not_help_doubles(
    failed_restarts: int, pings: int, act: str
) -> None:
    decision = diagnose(CONFIG, observations(*[WRONG] * pings, database=True), failed_restarts)
    assert decision.act is (Act.RESTART if act == "R" else Act.NOTHING), decision.sentence


def test_the_pause_between_restarts_ends_at_45_seconds() -> None:
    assert diagnose(CONFIG, observations(*[WRONG] * 45, database=True), 50).act is Act.NOTHING
    assert diagnose(CONFIG, observations(*[WRONG] * 47, database=True), 50).act is Act.RESTART


@pytest.mark.parametrize(
    ("sizes", "act"),
    [
        ([50] * 20, Act.NOTHING),
        ([357], Act.NOTHING),
        ([359], Act.RECYCLE),  # 70 % of 512
        ([486], Act.RECYCLE),
        ([487], Act.RESTART),  # 95 %: too late to drain
        ([50, 70, 90, 110, 130, 150, 170, 190], Act.RECYCLE),  # grows steadily
        ([50, 70, 90, 110, 130, 150, 170], Act.NOTHING),  # not for long enough
        ([50, 70, 90, 110, 110, 150, 170, 190], Act.NOTHING),  # one pause: perhaps a long list
        ([50, 51, 52, 53, 54, 55, 56, 57], Act.NOTHING),
    ],
)
def test_a_leak_is_detected_by_size_or_by_growth(sizes: list[int], act: Act) -> None:
    seen = [
        observation._replace(rss=size * MB)
        for observation, size in zip(observations(*[OK] * len(sizes)), sizes, strict=True)
    ]
    decision = diagnose(CONFIG, seen)
    assert decision.act is act, decision.sentence
    assert act is Act.NOTHING or decision.cause == "leak"


@pytest.mark.parametrize(
    ("age", "lifetime", "order", "peer", "act"),
    [
        (479, 480, 0, None, Act.NOTHING),
        (480, 480, 0, None, Act.RECYCLE),
        (480, 480, 1, 240, Act.RECYCLE),
        (9999, 0, 0, 9999, Act.NOTHING),  # switched off
        (240, 480, 0, 240, Act.RECYCLE),  # started together: the first one restarts early
        (240, 480, 1, 240, Act.NOTHING),  # the last does not
        (239, 480, 0, 239, Act.NOTHING),
        (300, 480, 0, 181, Act.RECYCLE),
        (300, 480, 0, 60, Act.NOTHING),  # apart already
        (240, 480, 0, None, Act.NOTHING),
    ],
)
def test_an_app_is_recycled_at_its_lifetime_and_apart_from_the_peer(
    age: float, lifetime: float, order: int, peer: float | None, act: Act
) -> None:
    config = CONFIG._replace(lifetime=lifetime, order=order)
    decision = diagnose(config, observations(OK, age=age), 0, peer)
    assert decision.act is act, decision.sentence
    assert act is Act.NOTHING or decision.cause == "age"


def test_an_old_app_that_hangs_is_restarted_without_a_drain() -> None:
    assert diagnose(CONFIG, observations(HUNG, age=999.0)).act is Act.NOTHING
    assert (
        diagnose(CONFIG, observations(HUNG, HUNG, HUNG, age=999.0, database=True)).act
        is Act.RESTART
    )


# -- the guard


def node(status: str, since: float = 100, check: str = "L7OK") -> ServerState:
    return ServerState(status, since, check, 0)


def views(*peers: ServerState, own: ServerState | None = None) -> list[EdgeReport]:
    """Views of several edges, one for each state of the peer."""
    edges = enumerate(peers, 1)
    return [
        EdgeReport(f"edge{number}", {"node1": own or node("UP"), "node2": peer})
        for number, peer in edges
    ]


ILLNESS = Decision(Act.RESTART, "hang", "it hangs")
LEAK = Decision(Act.RECYCLE, "leak", "it leaks")
FULL = Decision(Act.RESTART, "leak", "it is too late to drain it")
AGE = Decision(Act.RECYCLE, "age", "it is old")
UP, DOWN = node("UP"), node("DOWN", 3, "L4CON")


@pytest.mark.parametrize(
    ("decision", "seen", "granted"),
    [
        (ILLNESS, views(UP, UP), True),
        (ILLNESS, views(UP, DOWN), True),  # the peer serves at one edge
        (ILLNESS, views(DOWN, DOWN), False),  # it died just now, and systemd restarts it
        (ILLNESS, views(node("DOWN", 15, "L4CON")), True),  # it had its time to come back
        (ILLNESS, views(node("DOWN", 3, "L4TOUT")), False),
        (ILLNESS, views(node("DOWN", 3, "L7STS")), True),  # ill as well: one node must begin
        (ILLNESS, views(node("DOWN", 3, "L7TOUT")), True),
        (ILLNESS, views(node("DRAIN", 3, "L7OK")), True),
        (ILLNESS, views(node("DRAIN", 3, "L4CON")), False),  # a deliberate restart, about to return
        (LEAK, views(UP, UP), True),
        (LEAK, views(UP, DOWN), False),
        (LEAK, views(node("UP 1/2"), UP), False),
        (LEAK, views(node("DRAIN"), UP), False),
        (LEAK, views(node("UP", 2)), True),
        (AGE, views(node("UP", 2)), False),  # not urgent: the peer must warm up first
        (AGE, views(node("UP", 8)), True),
        (LEAK, [], False),
        (FULL, views(UP, DOWN), True),
        (FULL, views(node("DOWN", 3, "L7STS")), False),  # this node still serves, the peer does not
        (FULL, views(node("DOWN", 99, "L4CON")), False),
        (AGE, [], False),
    ],
)
def test_a_restart_waits_for_a_peer_that_may_come_back(
    decision: Decision, seen: list[EdgeReport], granted: bool
) -> None:
    permission = guard.check_permission(
        CONFIG, decision, seen, ill_for=5, deploy="", drained_by_another=False
    )
    assert permission.granted is granted, permission.reason


@pytest.mark.parametrize(
    ("order", "ill_for", "granted"), [(0, 0, True), (1, 4, False), (1, 11, True)]
)
def test_without_a_balancer_the_nodes_take_turns(order: int, ill_for: float, granted: bool) -> None:
    config = CONFIG._replace(order=order)
    assert (
        guard.check_permission(
            config, ILLNESS, [], ill_for=ill_for, deploy="", drained_by_another=False
        ).granted
        is granted
    )


@pytest.mark.parametrize("decision", [ILLNESS, LEAK, AGE])
def test_a_node_that_somebody_drained_is_left_alone(decision: Decision) -> None:
    assert not guard.check_permission(
        CONFIG, decision, views(UP), ill_for=99, deploy="", drained_by_another=True
    ).granted
    assert not guard.check_permission(
        CONFIG,
        decision,
        views(UP),
        ill_for=99,
        deploy="anna@desk's deploy",
        drained_by_another=True,
    ).granted


@pytest.mark.parametrize(
    ("decision", "ill_for", "granted"),
    [(ILLNESS, 5, False), (ILLNESS, 21, True), (LEAK, 99, False), (AGE, 99, False)],
)
def test_a_deploy_that_holds_the_node_has_time_to_restart_the_app(
    decision: Decision, ill_for: float, granted: bool
) -> None:
    permission = guard.check_permission(
        CONFIG,
        decision,
        views(UP),
        ill_for=ill_for,
        deploy="anna@desk's deploy",
        drained_by_another=False,
    )
    assert permission.granted is granted
    assert granted or "anna@desk" in permission.reason


def test_a_single_node_is_healed_but_never_recycled() -> None:
    config = CONFIG._replace(peers=())
    alone = [EdgeReport("edge1", {"node1": node("DOWN")}, False)]
    assert guard.check_permission(
        config, ILLNESS, alone, ill_for=5, deploy="", drained_by_another=False
    ).granted
    assert not guard.check_permission(
        config, AGE, alone, ill_for=5, deploy="", drained_by_another=False
    ).granted


@pytest.mark.parametrize(
    ("own", "by_healer", "kept_out", "held"),
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
def test_a_drain_belongs_to_a_healer_or_to_somebody_else(
    own: ServerState, by_healer: bool, kept_out: bool, held: bool
) -> None:
    seen = [
        view._replace(drained_by_healer=by_healer, kept_out=kept_out) for view in views(UP, own=own)
    ]
    assert guard.is_drained_by_another(CONFIG, seen) is held
    assert not guard.is_drained_by_another(CONFIG, [])


def test_the_age_of_the_peer_is_its_time_up_in_the_balancers() -> None:
    assert guard.find_peer_age(CONFIG, views(node("UP", 300), node("UP", 290))) == 290
    assert guard.find_peer_age(CONFIG, views(DOWN)) is None
    assert guard.find_peer_age(CONFIG, []) is None
