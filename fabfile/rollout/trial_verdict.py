"""Judge the connections that were tried between the hosts. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from ..engine.errors import RunbookError
from ..health.network import (
    OPEN,
    BlockedConnection,
    ConnectionAttempt,
    find_blocked_connections,
    find_failure_reason,
)
from ..roles.ports import Route
from ..settings.settings import Settings
from .condition import NOTHING
from .trial import Trial, find_attempt

BLOCKED = "until the network lets it through, the service cannot work as a whole"
VRRP_WAY = (
    "let IP protocol 112 (VRRP) through between the edges: nft list ruleset, security groups; most"
    " clouds let no such packet through"
)


def find_blocked(settings: Settings, trial: Trial) -> list[BlockedConnection]:
    """The connections that the trial found blocked."""
    return find_blocked_connections(settings, trial.views, list(trial.lost))


def explain_blocked(connection: BlockedConnection) -> RunbookError:
    """The error for a connection that is blocked."""
    problem = connection.problem
    return RunbookError(problem.message, f"{BLOCKED}; {NOTHING}", problem.next)


def judge_trial(settings: Settings, trial: Trial) -> list[tuple[str, RunbookError]]:
    """What is blocked, from where to where, each with the host that blocks it."""
    found = [
        (connection.attempt.target, explain_blocked(connection))
        for connection in find_blocked(settings, trial)
    ]
    return found + [
        (edge, silent_vrrp(edge, other))
        for edge, heard in trial.heard.items()
        for other, was_heard in named_edges(settings, heard).items()
        if not was_heard and other in trial.heard
    ]


def named_edges(settings: Settings, heard: Mapping[str, bool]) -> dict[str, bool]:
    """`heard` by name instead of address."""
    names = {edge.address: edge.name for edge in settings.inventory.having("edge")}
    return {names[address]: was_heard for address, was_heard in heard.items() if address in names}


def silent_vrrp(edge: str, other: str) -> RunbookError:
    """The problem that `edge` hears nothing of `other`."""
    return RunbookError(
        f"{edge} does not hear {other}: packets of IP protocol 112 (VRRP) do not arrive",
        f"both edges would hold the floating address; {NOTHING}",
        VRRP_WAY,
    )


def describe_route(trial: Trial, source: str, route: Route) -> tuple[bool | None, str]:
    """Whether `route` of the host `source` is open (None: not known), and what was seen."""
    if reason := trial.unknown.get(source, {}).get(route):
        return None, f"not tried: {reason}"
    result = find_attempt(trial.views[source], route)
    if result == OPEN:
        return True, "open"
    target = trial.views.get(route.target)
    attempt = ConnectionAttempt(route.target, route.number, result)
    return False, find_failure_reason(attempt, target) or result.lower()
