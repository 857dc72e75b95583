"""Which act is offered for which cause: only one that is safe, and only where it can be done."""

from __future__ import annotations

import pytest

from fabfile.flows.incident_act import _PERFORMERS
from fabfile.incidents.acts import ACTS, Verb, choose_act
from fabfile.incidents.hypotheses import OTHER, Hypothesis
from fabfile.menu.incidents import NAMES


def cause(name: str, host: str = "db1", subject: str = "") -> Hypothesis:
    return Hypothesis(name, "seen", "next", host, subject=subject)


def test_no_cause_and_an_unknown_one_have_no_act() -> None:
    assert choose_act([]) is None
    assert choose_act([cause(OTHER)]) is None


@pytest.mark.parametrize("name", ["disk-full", "node-down", "clock", "overload"])
def test_what_a_person_must_decide_has_no_act(name: str) -> None:
    assert name in NAMES
    assert choose_act([cause(name)]) is None


def test_the_likeliest_cause_is_removed_on_all_its_hosts() -> None:
    act = choose_act(
        [
            cause("both-down", "node1", "app.service"),
            cause("both-down", "node2", "app.service"),
            cause("edge-drift", "edge1"),
        ]
    )
    assert act
    assert (act.verb, act.hosts, act.subject) == (
        Verb.RESTART_UNIT,
        ("node1", "node2"),
        "app.service",
    )


def test_two_units_are_two_acts() -> None:
    """One act names one unit; the other unit is the next incident."""
    act = choose_act(
        [
            cause("edge-down", "edge1", "nginx.service"),
            cause("edge-down", "edge2", "haproxy.service"),
        ]
    )
    assert act
    assert (act.hosts, act.subject) == (("edge1",), "nginx.service")


def test_a_session_is_ended_only_if_it_is_known() -> None:
    act = choose_act([cause("db-locked", subject="77 2026-01-01 10:00:00+00")])
    assert act
    assert (act.verb, act.sentence) == (Verb.END_SESSION, "end session 77 of PostgreSQL on db1")
    assert choose_act([cause("db-locked")]) is None, "a prepared transaction has no session"


def test_a_host_without_a_unit_to_restart_has_no_act() -> None:
    assert choose_act([cause("edge-down", "edge1")]) is None, "the host itself does not answer"


def test_every_act_is_for_an_incident_and_can_be_done() -> None:
    assert set(ACTS) <= set(NAMES)
    assert set(_PERFORMERS) == set(Verb)
