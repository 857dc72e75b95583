"""From evidence to the likeliest cause. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from ..console.next_step import BY_ROLE
from ..engine.pg_errors import NO_CONNECTION_LEFT, describe_holder
from ..engine.problem import Problem
from ..engine.psql import json_lines
from ..settings.paths import app_unit
from ..settings.settings import Settings
from .app_figures import find_leak, find_slow_nodes
from .evidence import Evidence
from .probes import BALANCER, DATABASE, FILES, MEMORY

BUSY_REQUESTS = 50
"""Requests that wait for a node on one edge, from which the nodes are overloaded."""

ORDER = (
    "node-down",
    "disk-full",
    "db-connections",
    "db-locked",
    "db-down",
    "both-down",
    "app-down",
    "edge-down",
    "cache-stale",
    "db-slow",
    "overload",
    "app-leak",
    "app-slow",
    "bad-release",
    "edge-drift",
    "certificate",
    "clock",
)
"""Causes before their effects: a full disk stops the database, which stops the apps."""

OTHER = "other"
"""The name of a problem for which no incident is known."""


@dataclass(frozen=True)
class Hypothesis:
    """A possible cause. The names of the fields are keys in the JSON."""

    name: str
    """The incident, which is also the page of the runbook; or OTHER."""
    evidence: str
    """What was seen, in one sentence."""
    next: str
    """The command to type."""
    host: str = ""
    down: bool = True
    """Whether users notice it."""
    subject: str = ""
    """What an act must name: the unit, or the database session as `PID SINCE`."""
    alert: bool = False
    """Whether only an alert says so. It may fire for some time after its cause is gone."""


def find_causes(settings: Settings, seen: Evidence) -> list[Hypothesis]:
    """Return what may be wrong, the likeliest cause first; empty if nothing is wrong.

    A problem that health reports and that is no sign of an incident is among them as OTHER.
    """
    found = [cause for rule in RULES for cause in rule(settings, seen)]
    lost = {host.host for host in seen.hosts if not host.reachable}
    # What others report about a host that does not answer is an effect of that.
    of_lost = set(BY_ROLE.values())
    found = [cause for cause in found if cause.name in of_lost or cause.host not in lost]
    found = _join_nodes(settings, found)
    # An alert adds nothing to a cause that was seen on the hosts themselves.
    known = {cause.name for cause in found}
    found += [
        Hypothesis(OTHER, problem.message, problem.next, down=problem.down, alert=True)
        for problem in seen.site
        if problem.alert and problem.alert not in known
    ]
    return sorted(dict.fromkeys(found), key=_rank)


def _rank(cause: Hypothesis) -> tuple[bool, bool, int]:
    """What is known and felt by users comes first, then causes before their effects."""
    place = ORDER.index(cause.name) if cause.name in ORDER else len(ORDER)
    return cause.name == OTHER, not cause.down, place


def _join_nodes(settings: Settings, found: Sequence[Hypothesis]) -> list[Hypothesis]:
    """Every app node down is an incident of its own."""
    down = {cause.host for cause in found if cause.name == "app-down"}
    if down and down >= {node.name for node in settings.inventory.having("app")}:
        return [
            replace(cause, name="both-down") if cause.name == "app-down" else cause
            for cause in found
        ]
    return list(found)


def _find_reported(settings: Settings, seen: Evidence) -> Iterator[Hypothesis]:
    """What health reports."""
    hosts = {host.host: host for host in seen.hosts}
    # A host's own report says more than what others see of it.
    for where, problem in sorted(_all_problems(seen), key=lambda pair: bool(pair[1].about)):
        if problem.alert or (where in hosts and not hosts[where].reachable):
            continue
        about = [hosts[name] for name in problem.about if name in hosts]
        if about and not any(host.reachable for host in about):
            continue
        # An edge reports the node that it sees down: the cause is at the node.
        host = problem.about[0] if len(problem.about) == 1 else where
        more = _name_largest_file(seen, host) if problem.incident == "disk-full" else ""
        yield Hypothesis(
            problem.incident or OTHER,
            problem.message + more,
            problem.next,
            host,
            problem.down,
            problem.unit or (app_unit(settings) if problem.incident == "app-down" else ""),
        )


def _name_largest_file(seen: Evidence, host: str) -> str:
    """The largest file of the first full file system of `host`, as the end of a sentence."""
    reading = seen.readings.get(host, {}).get(FILES)
    lines = reading.out.splitlines() if reading else []
    return f"; largest file: {lines[1]}" if len(lines) > 1 else ""


def _all_problems(seen: Evidence) -> Iterator[tuple[str, Problem]]:
    yield from (("", problem) for problem in seen.site)
    for host in seen.hosts:
        yield from ((host.host, problem) for problem in host.problems)


def _find_lost_hosts(settings: Settings, seen: Evidence) -> Iterator[Hypothesis]:
    for host in seen.hosts:
        if host.reachable:
            continue
        name = BY_ROLE[host.roles[0]]
        problem = host.problems[0]
        yield Hypothesis(name, problem.message, problem.next, host.host, name != "monitoring")


def _find_refused_sessions(settings: Settings, seen: Evidence) -> Iterator[Hypothesis]:
    """Connections that are used up where only a question of the plan was refused."""
    refused = [text for text in seen.unknown if NO_CONNECTION_LEFT in text]
    reported = any(problem.incident == "db-connections" for _, problem in _all_problems(seen))
    if refused and not reported:
        yield Hypothesis("db-connections", refused[0], "fab runbook db-connections")


def _find_holders(settings: Settings, seen: Evidence) -> Iterator[Hypothesis]:
    """A session that blocks others, or has locked a whole table."""
    for host, readings in seen.readings.items():
        if DATABASE not in readings:
            continue
        for fact in json_lines(readings[DATABASE].out):
            if fact.get("session") and (fact.get("waiting") or fact.get("locked")):
                who, command = describe_holder(fact)
                session = f"{fact['session']} {fact['transaction_since']}"
                yield Hypothesis("db-locked", who, command, host, subject=session)


def _find_edge_drift(settings: Settings, seen: Evidence) -> Iterator[Hypothesis]:
    edges = {node.name for node in settings.inventory.having("edge")}
    for host, differences in seen.differences.items():
        name = "edge-drift" if host in edges else OTHER
        text = f"differs from the plan: {differences[0]}"
        more = f" (and {len(differences) - 1} more)" if len(differences) > 1 else ""
        more += _quote_host_line(seen.diffs.get(host, ""))
        command = f"fab -H {host} plan, then fab -H {host} deploy"
        yield Hypothesis(name, f"{text}{more}", command, host, down=False)


def _quote_host_line(diff: str) -> str:
    """The first line of `diff` that only the host has, as the end of a sentence."""
    lines = (line[1:].strip() for line in diff.splitlines() if re.match(r"-(?!--)", line))
    first = next(filter(None, lines), "")
    return f"; the host has: {first}" if first else ""


def _find_overload(settings: Settings, seen: Evidence) -> Iterator[Hypothesis]:
    for host in seen.hosts:
        queued = sum(server.queued for server in host.servers.values())
        if queued >= BUSY_REQUESTS:
            text = f"{queued} requests wait for a node at {host.host}"
            yield Hypothesis("overload", text, "fab runbook overload", host.host)


def _find_leaking_apps(settings: Settings, seen: Evidence) -> Iterator[Hypothesis]:
    for host, readings in seen.readings.items():
        if MEMORY in readings and (text := find_leak(readings[MEMORY].out)):
            yield Hypothesis("app-leak", text, f"fab -H {host} app.restart", host, down=False)


def _find_slow_apps(settings: Settings, seen: Evidence) -> Iterator[Hypothesis]:
    for readings in seen.readings.values():
        if BALANCER in readings:
            for node, text in find_slow_nodes(settings.program, readings[BALANCER].out).items():
                yield Hypothesis("app-slow", text, f"fab -H {node} app.restart", node)


RULES: Sequence[Callable[[Settings, Evidence], Iterator[Hypothesis]]] = (
    _find_lost_hosts,
    _find_holders,
    _find_reported,
    _find_refused_sessions,
    _find_overload,
    _find_leaking_apps,
    _find_slow_apps,
    _find_edge_drift,
)
"""The holder of a lock comes before the reports about it: only it names the session to end."""
