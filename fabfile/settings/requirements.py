"""The requirements as values: those of every service, and one for each measured endpoint.

For the first service file, a test keeps them and docs/requirements.md alike. Reports and drills
name a requirement by its id. Order and groups come from here, never from the digits of an id.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from .bounds import CLOCK_SECONDS, READY_SECONDS, RECOVERY_SECONDS
from .endpoint import Endpoint
from .load import PromisedLoad
from .service import Service


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
    """What must hold, and how it is shown.

    Attributes:
        id: the name in reports, tests and drills.
        title: what must hold, in Markdown, as in the document.
        bound: the bound in words, as in the document.
        group: the requirements that it is shown with.
        short_bound: the bound as a table of results shows it.
        label: the name in a table of results.
        error_share: the share of requests (0..1) that may fail.
    """

    id: str
    title: str
    bound: str
    group: Group
    short_bound: str
    label: str = ""
    error_share: float = 0.0


NODE_LOSS, RECOVERY, LOAD, HTTPS = "R1", "R2", "R3", "R14"
"""Ids of requirements whose bounds depend on the service."""

HTTP3 = Requirement(
    "R15",
    "HTTP/3",
    "a real client gets 200 over QUIC; `Alt-Svc` is offered",
    Group.EDGE,
    short_bound="200 over QUIC, offered",
    label="HTTP/3",
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


def node_loss(load: PromisedLoad) -> Requirement:
    """R1: what the loss of a node may cost."""
    return Requirement(
        NODE_LOSS,
        "No user notices the loss of an app node, whatever the fault",
        f"aim: 0 failed; limit: {load.errors_percent:g} %",
        Group.NODE_LOSS,
        short_bound=f"aim: 0 failed, {_at_most(load.error_share)}",
        label="loss of a node",
        error_share=load.error_share,
    )


NODE_RECOVERY = Requirement(
    RECOVERY,
    "A failed node recovers without a person",
    f"within {RECOVERY_SECONDS:g} s",
    Group.NODE_LOSS,
    short_bound=f"recovers in < {RECOVERY_SECONDS:g} s",
    label="recovery of a node",
)


def carried_load(load: PromisedLoad) -> Requirement:
    """R3: the load that the service carries."""
    return Requirement(
        LOAD,
        "Peak load for one minute, steady load without end",
        f"{load.peak:g} and {load.steady:g} requests/s",
        Group.LOAD,
        short_bound=f"carried, {_at_most(load.error_share)} errors",
        error_share=load.error_share,
    )


def same_over_https(load: PromisedLoad) -> Requirement:
    """R14: https and http."""
    return Requirement(
        HTTPS,
        "https on the service's name, and http without a redirect",
        "both give the same answers",
        Group.EDGE,
        short_bound="the same, no redirect",
        label="https, and http",
        error_share=load.error_share,
    )


def endpoint_requirement(program: Service, endpoint: Endpoint) -> Requirement:
    """The requirement of one measured endpoint. Its texts are made from its path and its bounds."""
    title, share = f"`{endpoint.title}`", program.error_share(endpoint)
    errors = f"errors {_at_most(share)}"
    never = "never comes from a cache" if endpoint.never_cached else "is answered right"
    match program.find_kind(endpoint):
        case "health":
            return _live_requirement(program, endpoint)
        case "cached":
            return _cached_requirement(endpoint, title, share)
        case "list":
            group, short = Group.LISTS, f"{_at_most(share)} errors, one by one"
            title, bound = f"{title}, the list, {never}", f"{errors}, one at a time"
        case "create" | "delete":
            group, short, bound = Group.WRITES, f"{_at_most(share)} errors", errors
        case _:
            group, p90 = Group.SINGLE_ANSWERS, program.latency_bound(endpoint)
            title, short = f"{title} {never}", f"p90 < {p90:g} s, {_at_most(share)} errors"
            bound = f"p90 < {p90 * 1000:g} ms at {program.load.peak:g}/s, {errors}"
    return Requirement(endpoint.id, title, bound, group, short, endpoint.title, share)


def _cached_requirement(endpoint: Endpoint, title: str, share: float) -> Requirement:
    cache = endpoint.cache
    assert cache is not None
    fast = f"{cache.within_share * 100:g} %"
    return Requirement(
        endpoint.id,
        f"{title} may come from a cache",
        f"{fast} within {cache.within_seconds:g} s, none older than {cache.max_age:g} s",
        Group.EDGE,
        f"{fast} < {cache.within_seconds:g} s, ≤ {cache.max_age:g} s old",
        endpoint.title,
        share,
    )


def _live_requirement(program: Service, endpoint: Endpoint) -> Requirement:
    status, ill = endpoint.expect.status[0], program.health.ill
    otherwise = f", else {ill.status}" if ill else ""
    answer = " ".join(filter(None, [str(status), endpoint.expect.equals]))
    return Requirement(
        endpoint.id,
        f"`{endpoint.title}` answers {status} when the app is well{otherwise}",
        "passed through unchanged",
        Group.OPERATION,
        f"{answer}, untouched",
        endpoint.title,
    )


def _at_most(share: float) -> str:
    return f"≤ {share * 100:g} %"


def list_requirements(program: Service) -> tuple[Requirement, ...]:
    """All requirements of a service, in the order of reports."""
    load = program.load
    own = [endpoint_requirement(program, endpoint) for endpoint in program.measured]
    before = (node_loss(load), NODE_RECOVERY, carried_load(load))
    edge = (same_over_https(load), HTTP3)
    after = (FAST_START, CLOCKS, BOUNDED_LOG)
    live = [one for one in own if one.group is Group.OPERATION]
    cached = [one for one in own if one.group is Group.EDGE]
    answers = [one for one in own if one not in live and one not in cached]
    return (*before, *answers, *edge, *cached, OBSERVABILITY, DEPLOYMENT, *live, *after)


def requirement_places(program: Service) -> dict[str, int]:
    """The position of each requirement in reports, from 0, by id."""
    return {one.id: place for place, one in enumerate(list_requirements(program))}
