"""The requirements of docs/requirements.md as values, most important first.

A test keeps both alike. Reports and drills name a requirement by its id. Order and groups come from
here, never from the digits of an id.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from .bingo import SERVICE

PEAK_RATE, STEADY_RATE = SERVICE.load.peak, SERVICE.load.steady
"""Requests per second: for one minute, and for good."""

LATENCY_BOUND = SERVICE.load.p90_ms / 1000
"""Seconds: p90 of a single answer at the peak rate is below it."""

ERROR_SHARE = SERVICE.load.errors_percent / 100
SESSION_LIST_ERROR_SHARE = SERVICE.counted["R11"].errors_percent / 100
"""The most requests that may fail, as a share of 1. The session list is the heaviest answer."""

RECOVERY_SECONDS = 60.0
"""A failed node works again within this time."""

CACHED_FAST_SECONDS, CACHED_SLOW_SHARE = (
    SERVICE.cache.within_seconds,
    1 - SERVICE.cache.within_share,
)
"""An answer that may be cached is slow from this time on, and this share may be slow."""

CACHED_AGE_SECONDS = float(SERVICE.cache.max_age)
"""The oldest answer that a cache may give."""

READY_SECONDS = 5.0
"""From the start of the app until it is ready."""

CLOCK_SECONDS = 1.0
"""A clock is off by less than this."""


class Group(Enum):
    """Requirements that are shown together."""

    NODE_LOSS = auto()
    LOAD = auto()
    SINGLE_ANSWERS = auto()
    LISTS = auto()
    WRITES = auto()
    EDGE = auto()
    OPERATION = auto()


@dataclass(frozen=True)
class Requirement:
    """One line of docs/requirements.md.

    Attributes:
        id: what reports, tests and drills call it.
        title: what must hold, in Markdown, as in the document.
        bound: the bound in words, as in the document.
        group: what it is shown with.
        short_bound: the bound as a table of results shows it.
        label: what a table of results calls it; empty where rows are named after an endpoint.
        error_share: the most requests that may fail, as a share of 1.
    """

    id: str
    title: str
    bound: str
    group: Group
    short_bound: str
    label: str = ""
    error_share: float = 0.0


NODE_LOSS = Requirement(
    "R1",
    "No user notices the loss of an app node, whatever the fault",
    "aim: 0 failed; limit: 1 %",
    Group.NODE_LOSS,
    short_bound="unseen: 0 failed, ≤ 1 %",
    label="loss of a node",
    error_share=ERROR_SHARE,
)
RECOVERY = Requirement(
    "R2",
    "A failed node works again by itself",
    "within 60 s",
    Group.NODE_LOSS,
    short_bound="works again in < 60 s",
    label="a failed node",
)
LOAD = Requirement(
    "R3",
    "Peak load for one minute, steady load for good",
    "120 and 60 requests/s",
    Group.LOAD,
    short_bound="carried, ≤ 1 % errors",
    error_share=ERROR_SHARE,
)


def _single_answer(id: str, call: str, bound: str = "as R4") -> Requirement:
    return Requirement(
        id,
        f"`{call}` is never answered from a cache",
        bound,
        Group.SINGLE_ANSWERS,
        short_bound="p90 < 0.4 s, ≤ 1 % errors",
        error_share=ERROR_SHARE,
    )


OPERATION = _single_answer("R4", "POST /operation", "p90 < 400 ms at 120/s, errors ≤ 1 %")
DB_DUMMY = _single_answer("R5", "GET /db_dummy")
MOVIE = _single_answer("R6", "GET /api/movie/ID")
CUSTOMER = _single_answer("R7", "GET /api/customer/ID")
SESSION = _single_answer("R8", "GET /api/session/ID")

MOVIE_LIST = Requirement(
    "R9",
    "`GET /api/movie`, all of it, is never answered from a cache",
    "errors ≤ 1 %, no time limit",
    Group.LISTS,
    short_bound="≤ 1 % errors, one by one",
    error_share=ERROR_SHARE,
)
CUSTOMER_LIST = Requirement(
    "R10",
    "`GET /api/customer`, the whole list, likewise",
    "as R9",
    Group.LISTS,
    short_bound="≤ 1 % errors, one by one",
    error_share=ERROR_SHARE,
)
SESSION_LIST = Requirement(
    "R11",
    "`GET /api/session`, the whole list, likewise",
    "errors ≤ 5 %, one at a time",
    Group.LISTS,
    short_bound="≤ 5 % errors, one by one",
    error_share=SESSION_LIST_ERROR_SHARE,
)
SESSION_CREATE = Requirement(
    "R12",
    "`POST /api/session`",
    "errors ≤ 1 %",
    Group.WRITES,
    short_bound="≤ 1 % errors",
    error_share=ERROR_SHARE,
)
SESSION_DELETE = Requirement(
    "R13",
    "`DELETE /api/session/ID`",
    "errors ≤ 1 %",
    Group.WRITES,
    short_bound="≤ 1 % errors",
    error_share=ERROR_SHARE,
)
HTTPS = Requirement(
    "R14",
    "https on the service's name, and http without a redirect",
    "both give the same answers",
    Group.EDGE,
    short_bound="the same, no redirect",
    label="https, and http",
    error_share=ERROR_SHARE,
)
HTTP3 = Requirement(
    "R15",
    "HTTP/3",
    "a real client gets 200 over QUIC; `Alt-Svc` is offered",
    Group.EDGE,
    short_bound="200 over QUIC, offered",
    label="HTTP/3",
)
CACHED_ANSWER = Requirement(
    "R16",
    "`GET /long_dummy` may come from a cache",
    "75 % within 1 s, none older than 60 s",
    Group.EDGE,
    short_bound="75 % < 1 s, ≤ 60 s old",
    error_share=ERROR_SHARE,
)
OBSERVABILITY = Requirement(
    "R17",
    "Observability",
    "request rate and errors per endpoint",
    Group.OPERATION,
    short_bound="rate and errors by endpoint",
    label="figures to look at",
)
DEPLOYMENT = Requirement(
    "R18",
    "The deployment is automated, database and seed data included",
    "one command",
    Group.OPERATION,
    short_bound="fab plan: no difference",
    label="one command deploys",
)
PING = Requirement(
    "R19",
    "`GET /ping` answers 200 when the app is well, else 500",
    "passed through unchanged",
    Group.OPERATION,
    short_bound="200 pong, untouched",
)
FAST_START = Requirement(
    "R20",
    "The start-up stall of 30 s is gone",
    "ready within 5 s of the start",
    Group.OPERATION,
    short_bound="ready in < 5 s",
    label="fast start",
)
CLOCKS = Requirement(
    "R21",
    "The clocks are right on every host",
    "offset < 1 s, alarmed",
    Group.OPERATION,
    short_bound="< 1 s off, kept right",
    label="clocks",
)
BOUNDED_LOG = Requirement(
    "R22",
    "The log cannot fill the disk",
    "its size is bounded",
    Group.OPERATION,
    short_bound="cannot fill the disk",
    label="bounded log",
)

REQUIREMENTS = (
    *(NODE_LOSS, RECOVERY, LOAD),
    *(OPERATION, DB_DUMMY, MOVIE, CUSTOMER, SESSION),
    *(MOVIE_LIST, CUSTOMER_LIST, SESSION_LIST, SESSION_CREATE, SESSION_DELETE),
    *(HTTPS, HTTP3, CACHED_ANSWER),
    *(OBSERVABILITY, DEPLOYMENT, PING, FAST_START, CLOCKS, BOUNDED_LOG),
)
"""All of them, in the order of the document."""

_PLACES = {requirement.id: place for place, requirement in enumerate(REQUIREMENTS)}


def requirement_place(id: str) -> int:
    """Where a requirement stands in the document, from 0; an id that no requirement has (of an
    older report) comes after all."""
    return _PLACES.get(id, len(REQUIREMENTS))


def requirement_of(id: str) -> Requirement:
    """The requirement with this id.

    Raises:
        KeyError: there is none.
    """
    return REQUIREMENTS[_PLACES[id]]


def requirements_of(*groups: Group) -> tuple[Requirement, ...]:
    """The requirements of these groups, in the order of the document."""
    return tuple(requirement for requirement in REQUIREMENTS if requirement.group in groups)
