"""Which act removes a cause. Pure; flows/incident_act.py carries it out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from .hypotheses import Hypothesis


class Verb(StrEnum):
    """What an act does."""

    RESTART_APP = "restart the app"
    """Drained, one node at a time, and past the gate."""
    RESTART_UNIT = "restart the unit"
    END_SESSION = "end the database session"
    BUILD_INDEXES = "build the indexes"
    DEPLOY = "deploy"
    ROLL_BACK = "roll back"
    RENEW_CERTIFICATE = "renew the certificate"


@dataclass(frozen=True)
class IncidentAct:
    """An act that removes a cause. The names of the fields are keys in the JSON."""

    verb: Verb
    hosts: tuple[str, ...]
    sentence: str
    """What is done, and where."""
    cost: str
    """What users or others lose by it."""
    subject: str = ""
    """The unit, or the session as `PID SINCE`."""


def choose_act(causes: Sequence[Hypothesis]) -> IncidentAct | None:
    """Return the act that removes the likeliest cause, the first of `causes`.

    None if a person must act: no act is safe without a look at what is lost (a full disk), or
    nothing can be done over ssh (a host without power).
    """
    if not causes:
        return None
    first = causes[0]
    same = [cause for cause in causes if (cause.name, cause.subject) == (first.name, first.subject)]
    make = ACTS.get(first.name)
    hosts = tuple(dict.fromkeys(cause.host for cause in same if cause.host))
    return make(hosts, first.subject) if make and hosts else None


def _restart_app(hosts: tuple[str, ...], unit: str) -> IncidentAct:
    return IncidentAct(
        Verb.RESTART_APP,
        hosts,
        f"restart the app on {', '.join(hosts)}, one node at a time",
        "no request fails: each node is drained first, and serves again before the next",
    )


def _restart_unit(hosts: tuple[str, ...], unit: str) -> IncidentAct | None:
    if not unit:
        return None
    return IncidentAct(
        Verb.RESTART_UNIT,
        hosts,
        f"restart {unit} on {', '.join(hosts)}",
        "nothing if it is down; else the requests that it answers at this moment fail",
        unit,
    )


def _end_session(hosts: tuple[str, ...], session: str) -> IncidentAct | None:
    if not session:
        return None
    return IncidentAct(
        Verb.END_SESSION,
        hosts[:1],
        f"end session {session.partition(' ')[0]} of PostgreSQL on {hosts[0]}",
        "its open transaction is rolled back, and its owner must repeat it",
        session,
    )


def _build_indexes(hosts: tuple[str, ...], subject: str) -> IncidentAct:
    return IncidentAct(
        Verb.BUILD_INDEXES,
        hosts,
        f"build the missing indexes on {', '.join(hosts)} (inv db.indexes)",
        "nothing: writes are not blocked meanwhile",
    )


def _deploy(hosts: tuple[str, ...], subject: str) -> IncidentAct:
    return IncidentAct(
        Verb.DEPLOY,
        hosts,
        f"deploy {', '.join(hosts)} (fab -H {','.join(hosts)} deploy)",
        "what was changed there by hand is lost; the evidence has the differences",
    )


def _roll_back(hosts: tuple[str, ...], subject: str) -> IncidentAct:
    return IncidentAct(
        Verb.ROLL_BACK,
        hosts,
        "go back to the release that was proven before, on every app node (fab rollback)",
        "the new release is out of service until the next fab deploy",
    )


def _renew_certificate(hosts: tuple[str, ...], subject: str) -> IncidentAct:
    return IncidentAct(
        Verb.RENEW_CERTIFICATE,
        hosts,
        "issue a new certificate and install it on the edges (inv certs.renew)",
        "nothing: the edges reload without closing connections",
    )


ACTS: Mapping[str, Callable[[tuple[str, ...], str], IncidentAct | None]] = {
    "app-down": _restart_app,
    "app-slow": _restart_app,
    "app-leak": _restart_app,
    "both-down": _restart_unit,
    "db-down": _restart_unit,
    "edge-down": _restart_unit,
    "cache-stale": _restart_unit,
    "db-locked": _end_session,
    "db-slow": _build_indexes,
    "edge-drift": _deploy,
    "bad-release": _roll_back,
    "certificate": _renew_certificate,
}
"""By incident. An incident that is not here has no act that is safe to do without a person."""
