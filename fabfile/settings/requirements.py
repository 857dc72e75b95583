"""The requirements of docs/requirements.md as values, most important first.

A test keeps both alike. Reports and drills name a requirement by its id. Order and groups come from
here, never from the digits of an id.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from .bingo import SERVICE
from .bounds import (
    CACHED_AGE_SECONDS,
    CACHED_FAST_SECONDS,
    CLOCK_SECONDS,
    ERROR_SHARE,
    LATENCY_BOUND,
    PEAK_RATE,
    READY_SECONDS,
    RECOVERY_SECONDS,
    SESSION_LIST_ERROR_SHARE,
    STEADY_RATE,
)

# Bounds that several texts below share.
_ERRORS = f"≤ {ERROR_SHARE * 100:g} %"
_FAST = f"{SERVICE.cache.within_share * 100:g} %"


class Group(Enum):
    """A group of requirements that reports show together."""

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
        id: the name in reports, tests and drills.
        title: what must hold, in Markdown, as in the document.
        bound: the bound in words, as in the document.
        group: the requirements that it is shown with.
        short_bound: the bound as a table of results shows it.
        label: the name in a table of results; empty if the row is named after an endpoint.
        error_share: the share of requests (0..1) that may fail.
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
    f"aim: 0 failed; limit: {ERROR_SHARE * 100:g} %",
    Group.NODE_LOSS,
    short_bound=f"aim: 0 failed, {_ERRORS}",
    label="loss of a node",
    error_share=ERROR_SHARE,
)
RECOVERY = Requirement(
    "R2",
    "A failed node recovers without a person",
    f"within {RECOVERY_SECONDS:g} s",
    Group.NODE_LOSS,
    short_bound=f"recovers in < {RECOVERY_SECONDS:g} s",
    label="recovery of a node",
)
LOAD = Requirement(
    "R3",
    "Peak load for one minute, steady load without end",
    f"{PEAK_RATE:g} and {STEADY_RATE:g} requests/s",
    Group.LOAD,
    short_bound=f"carried, {_ERRORS} errors",
    error_share=ERROR_SHARE,
)


def _single_answer(id: str, call: str, bound: str = "as R4") -> Requirement:
    return Requirement(
        id,
        f"`{call}` is never answered from a cache",
        bound,
        Group.SINGLE_ANSWERS,
        short_bound=f"p90 < {LATENCY_BOUND:g} s, {_ERRORS} errors",
        error_share=ERROR_SHARE,
    )


OPERATION = _single_answer(
    "R4",
    "POST /operation",
    f"p90 < {LATENCY_BOUND * 1000:g} ms at {PEAK_RATE:g}/s, errors {_ERRORS}",
)
DB_DUMMY = _single_answer("R5", "GET /db_dummy")
MOVIE = _single_answer("R6", "GET /api/movie/ID")
CUSTOMER = _single_answer("R7", "GET /api/customer/ID")
SESSION = _single_answer("R8", "GET /api/session/ID")


def _list_answer(id: str, title: str, bound: str, error_share: float = ERROR_SHARE) -> Requirement:
    short_bound = f"≤ {error_share * 100:g} % errors, one by one"
    return Requirement(
        id, title, bound, Group.LISTS, short_bound=short_bound, error_share=error_share
    )


MOVIE_LIST = _list_answer(
    "R9",
    "`GET /api/movie`, the list, is never answered from a cache",
    f"errors {_ERRORS}, no time limit",
)
CUSTOMER_LIST = _list_answer(
    "R10", "`GET /api/customer`, the list, is never answered from a cache", "as R9"
)
SESSION_LIST = _list_answer(
    "R11",
    "`GET /api/session`, the list, is never answered from a cache",
    f"errors ≤ {SESSION_LIST_ERROR_SHARE * 100:g} %, one at a time",
    SESSION_LIST_ERROR_SHARE,
)


def _write(id: str, call: str) -> Requirement:
    return Requirement(
        id,
        f"`{call}`",
        f"errors {_ERRORS}",
        Group.WRITES,
        short_bound=f"{_ERRORS} errors",
        error_share=ERROR_SHARE,
    )


SESSION_CREATE = _write("R12", "POST /api/session")
SESSION_DELETE = _write("R13", "DELETE /api/session/ID")
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
    f"{_FAST} within {CACHED_FAST_SECONDS:g} s, none older than {CACHED_AGE_SECONDS:g} s",
    Group.EDGE,
    short_bound=f"{_FAST} < {CACHED_FAST_SECONDS:g} s, ≤ {CACHED_AGE_SECONDS:g} s old",
    error_share=ERROR_SHARE,
)
OBSERVABILITY = Requirement(
    "R17",
    "Observability",
    "request rate and errors per endpoint",
    Group.OPERATION,
    short_bound="rate and errors by endpoint",
    label="metrics",
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
    "The app starts without its stall of 30 s",
    f"ready within {READY_SECONDS:g} s of the start",
    Group.OPERATION,
    short_bound=f"ready in < {READY_SECONDS:g} s",
    label="fast start",
)
CLOCKS = Requirement(
    "R21",
    "The clocks are right on every host",
    f"offset < {CLOCK_SECONDS:g} s, with an alert",
    Group.OPERATION,
    short_bound=f"< {CLOCK_SECONDS:g} s off, kept right",
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
"""All requirements, in the order of the document."""

_PLACES = {requirement.id: place for place, requirement in enumerate(REQUIREMENTS)}


def requirement_place(id: str) -> int:
    """The position of a requirement in the document, from 0.

    An unknown id, such as one of an older report, comes last.
    """
    return _PLACES.get(id, len(REQUIREMENTS))


def requirement_of(id: str) -> Requirement:
    """The requirement with this id.

    Raises:
        KeyError: no requirement has this id.
    """
    return REQUIREMENTS[_PLACES[id]]


def requirements_of(*groups: Group) -> tuple[Requirement, ...]:
    """The requirements of these groups, in the order of the document."""
    return tuple(requirement for requirement in REQUIREMENTS if requirement.group in groups)
