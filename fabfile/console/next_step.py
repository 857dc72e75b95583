"""The last line of a task that failed: the incident that fits what was found, and its page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ..engine.errors import LOCKED, RunbookError, Unreachable
from ..settings.service import Service

if TYPE_CHECKING:
    from rich.console import Console

TRIAGE = "triage"
"""The incident for what is not known, or has several causes."""

PAGES_ONLY = frozenset({"healer-off", "log-rotation", "monitoring"})
"""Incidents that have a page in docs/runbook/, but no `fab incident.NAME`."""

BY_KIND = {
    "health": "app-down",
    "operation": "app-slow",
    "cached": "cache-stale",
    "database": "db-slow",
    "read": "db-slow",
    "list": "db-slow",
    "create": "db-slow",
    "delete": "db-slow",
    "other": "app-slow",
}
"""By kind of endpoint: the incident of a requirement that is about its answers."""

OF_ANY_SERVICE = {
    "R1": "app-down",
    "R2": "app-down",
    "R3": "overload",
    "R14": "certificate",
    "R15": "edge-down",
    "R17": "monitoring",
    "R21": "clock",
    "R22": "log-rotation",
}
"""By requirement of every service. One that is missing here does not show a cause: R18 fails for a
difference on any host, and `edge-drift` is about edges only."""


def list_incidents(service: Service) -> dict[str, str]:
    """By requirement: the incident of which a failed row is a sign."""
    named = service.by_id.items()
    return {id: BY_KIND[service.find_kind(endpoint)] for id, endpoint in named} | OF_ANY_SERVICE


BY_ROLE = {
    "app": "node-down",
    "edge": "edge-down",
    "postgres": "db-down",
    "monitoring": "monitoring",
}
"""The incident of a host that does not answer. The first role that a host has counts."""

BY_DRILL = {
    "app-killed": "app-down",
    "app-hung": "app-down",
    "app-500": "app-down",
    "app-leak": "app-leak",
    "app-panic": "app-down",
    "app-slow": "app-slow",
    "node-off": "node-down",
    "node-cut": "node-down",
    "node-rejected": "node-down",
    "both-killed": "both-down",
    "both-ill": "both-down",
    "slow-start": "app-down",
    "log-disk-full": "disk-full",
    "healer-killed": "healer-off",
    "recycle": "app-down",
    "both-old": "both-down",
    "one-node-alone": "overload",
    "db-restarted": "db-down",
    "db-killed": "db-down",
    "db-exhausted": "db-connections",
    "db-starved": "db-slow",
    "haproxy-killed": "edge-down",
    "nginx-killed": "edge-down",
    "haproxy-hung": "edge-down",
    "nginx-hung": "edge-down",
    "edge-off": "edge-down",
    "edge-cut": "edge-down",
    "refresher-dead": "cache-stale",
    "deploy-under-load": TRIAGE,
    "bad-release": "bad-release",
    "certificate-rotation": "certificate",
    "clock-wrong": "clock",
}
"""By drill: the incident that its fault is an example of."""


def choose_incident(incidents: Iterable[str]) -> str:
    """The incident to name: the only one of `incidents`, or TRIAGE for several; empty for none."""
    distinct = set(incidents)
    return distinct.pop() if len(distinct) == 1 else TRIAGE if distinct else ""


def match_names(names: Iterable[str], table: Mapping[str, str]) -> str:
    """The incident that fits the failed requirements or drills called `names`."""
    return choose_incident(table.get(name, TRIAGE) for name in names)


def match_errors(
    failed: Iterable[tuple[Sequence[str], RunbookError]], at_end: Iterable[RunbookError] = ()
) -> str:
    """The incident that fits the errors of a rollout.

    Args:
        failed: the roles of each failed host, and its error.
        at_end: problems of the service after the rollout.
    """

    def match_each() -> Iterator[str]:
        for roles, error in failed:
            # A lock is no incident, and its error names the command.
            if error.code == LOCKED:
                continue
            lost = [BY_ROLE[role] for role in roles if role in BY_ROLE]
            known = lost[0] if isinstance(error, Unreachable) and lost else TRIAGE
            yield error.incident or known
        for error in at_end:
            yield error.incident or TRIAGE

    return choose_incident(match_each())


def describe_next_step(incident: str) -> str:
    """What to type for `incident`."""
    if incident == TRIAGE:
        return f"fab incident.{TRIAGE}   (evidence of every host, and the likeliest cause)"
    page = f"fab runbook {incident}"
    return page if incident in PAGES_ONLY else f"fab incident.{incident}   (its page: {page})"


def show_next_step(out: Console, incident: str) -> None:
    """Print what to type for `incident`; nothing if it is empty."""
    if incident:
        out.print(f"[bold]next:[/] {describe_next_step(incident)}", soft_wrap=True)
