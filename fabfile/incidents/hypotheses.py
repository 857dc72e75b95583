"""From evidence to the likeliest cause. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ..control.haproxy import HAPROXY_UNIT
from ..control.keepalived import KEEPALIVED_UNIT
from ..control.nginx import NGINX_UNIT, REFRESHER_UNIT
from ..engine.pg_errors import describe_holder
from ..engine.problem import Problem
from ..engine.psql import json_lines, rows
from ..health.clock import find_clock_problems
from ..roles.postgres import postgres_unit
from ..settings.paths import app_unit
from ..settings.settings import Settings
from .app_figures import find_leak, find_slow_nodes
from .evidence import Evidence
from .probes import BALANCER, DATABASE, MEMORY

BUSY_REQUESTS = 50
"""Requests that wait for a node on one edge, from which the nodes are overloaded."""

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


def find_causes(settings: Settings, seen: Evidence) -> list[Hypothesis]:
    """Return what may be wrong, the likeliest cause first; empty if nothing is wrong.

    A problem that health reports and no incident explains is among them as OTHER.
    """
    lost = {host.host for host in seen.hosts if not host.reachable}
    found = [
        cause
        for rule in RULES
        for cause in rule(settings, seen)
        # What others report about a host that does not answer is an effect of that.
        if rule is _find_lost_hosts or cause.host not in lost
    ]
    explained = {cause.evidence for cause in found}
    found += [
        Hypothesis(OTHER, problem.message, problem.next, host, problem.down)
        for host, problem in _all_problems(seen)
        if problem.message not in explained
        and not (problem.about and lost.issuperset(problem.about))
    ]
    # Stable: among those that users notice, RULES has causes before their effects.
    return sorted(dict.fromkeys(found), key=lambda cause: (cause.name == OTHER, not cause.down))


def _all_problems(seen: Evidence) -> Iterator[tuple[str, Problem]]:
    yield from (("", problem) for problem in seen.site)
    for host in seen.hosts:
        yield from ((host.host, problem) for problem in host.problems)


def _find_by_words(
    seen: Evidence, name: str, *words: str, subject: str = ""
) -> Iterator[Hypothesis]:
    for host, problem in _all_problems(seen):
        if any(word in problem.message for word in words):
            # An edge reports the node that it sees down: the cause is at the node.
            where = problem.about[0] if len(problem.about) == 1 else host
            yield Hypothesis(name, problem.message, problem.next, where, problem.down, subject)


def _find_lost_hosts(settings: Settings, seen: Evidence) -> Iterator[Hypothesis]:
    for host in seen.hosts:
        if host.reachable:
            continue
        names = {"app": "node-down", "edge": "edge-down", "postgres": "db-down"}
        name = next((names[role] for role in host.roles if role in names), "monitoring")
        problem = host.problems[0]
        yield Hypothesis(name, problem.message, problem.next, host.host, name != "monitoring")


def _find_full_disks(settings: Settings, seen: Evidence) -> Iterator[Hypothesis]:
    yield from _find_by_words(seen, "disk-full", "the file system ", "no space left")


def _find_stopped_units(settings: Settings, seen: Evidence) -> Iterator[Hypothesis]:
    app = app_unit(settings)
    incidents = {
        postgres_unit(settings): "db-down",
        app: "app-down",
        HAPROXY_UNIT: "edge-down",
        NGINX_UNIT: "edge-down",
        KEEPALIVED_UNIT: "edge-down",
        REFRESHER_UNIT: "cache-stale",
    }
    stopped = [host.host for host in seen.hosts if app in host.units and not host.units[app].runs]
    if stopped and len(stopped) == len(settings.inventory.having("app")):
        incidents[app] = "both-down"
    for unit, name in incidents.items():
        yield from _find_by_words(seen, name, f"{unit} ", f"{unit}:", subject=unit)


def _find_used_connections(settings: Settings, seen: Evidence) -> Iterator[Hypothesis]:
    """Connections that are used up, also where only our own question was refused."""
    found = list(_find_by_words(seen, "db-connections", " connections", "no connection left"))
    yield from found
    refused = [text for text in seen.unknown if "no connection left" in text]
    if refused and not found:
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
    yield from _find_by_words(seen, "db-locked", "wait for a lock", " has locked ")


def _find_missing_indexes(settings: Settings, seen: Evidence) -> Iterator[Hypothesis]:
    for host, readings in seen.readings.items():
        if DATABASE not in readings:
            continue
        bad = [
            f"{fact['index']} is {fact['state']}"
            for fact in json_lines(rows(readings[DATABASE]))
            if fact.get("state") in ("missing", "invalid") and "index" in fact
        ]
        if bad:
            text = f"the database reads whole tables: {', '.join(bad)}"
            yield Hypothesis("db-slow", text, "fab deploy   (builds them without blocking)", host)


def _find_edge_drift(settings: Settings, seen: Evidence) -> Iterator[Hypothesis]:
    edges = {node.name for node in settings.inventory.having("edge")}
    for host, differences in seen.differences.items():
        name = "edge-drift" if host in edges else OTHER
        text = f"differs from the plan: {differences[0]}"
        more = f" (and {len(differences) - 1} more)" if len(differences) > 1 else ""
        command = f"fab -H {host} plan, then fab -H {host} deploy"
        yield Hypothesis(name, f"{text}{more}", command, host, down=False)


def _find_kept_out_releases(settings: Settings, seen: Evidence) -> Iterator[Hypothesis]:
    yield from _find_by_words(seen, "bad-release", "drained: gate ")


def _find_clocks(settings: Settings, seen: Evidence) -> Iterator[Hypothesis]:
    for host in seen.hosts:
        for problem in find_clock_problems(host.clock):
            yield Hypothesis("clock", problem.message, problem.next, host.host, problem.down)


def _find_overload(settings: Settings, seen: Evidence) -> Iterator[Hypothesis]:
    for host in seen.hosts:
        queued = sum(server.queued for server in host.servers.values())
        if queued >= BUSY_REQUESTS:
            text = f"{queued} requests wait for a node at {host.host}"
            yield Hypothesis("overload", text, "fab runbook overload", host.host)


def _find_hung_apps(settings: Settings, seen: Evidence) -> Iterator[Hypothesis]:
    """A node that the balancers see down while its unit runs: it hangs, or it is starting."""
    nodes = {node.name for node in settings.inventory.having("app")}
    out = {
        server.node
        for host in seen.hosts
        for server in host.servers.values()
        if server.node in nodes and not server.up and server.node not in host.drained
    }
    name = "both-down" if out and out >= nodes else "app-down"
    words = [f"the balancer sees {node} " for node in sorted(out)]
    yield from _find_by_words(seen, name, *words, subject=app_unit(settings))


def _find_leaking_apps(settings: Settings, seen: Evidence) -> Iterator[Hypothesis]:
    for host, readings in seen.readings.items():
        if MEMORY in readings and (text := find_leak(readings[MEMORY].out)):
            yield Hypothesis("app-leak", text, f"fab -H {host} app.restart", host, down=False)


def _find_slow_apps(settings: Settings, seen: Evidence) -> Iterator[Hypothesis]:
    for readings in seen.readings.values():
        if BALANCER in readings:
            for node, text in find_slow_nodes(readings[BALANCER].out).items():
                yield Hypothesis("app-slow", text, f"fab -H {node} app.restart", node)


RULES: Sequence[Callable[[Settings, Evidence], Iterator[Hypothesis]]] = (
    _find_lost_hosts,
    _find_full_disks,
    _find_used_connections,
    _find_holders,
    _find_stopped_units,
    _find_hung_apps,
    _find_missing_indexes,
    _find_overload,
    _find_leaking_apps,
    _find_slow_apps,
    _find_kept_out_releases,
    _find_edge_drift,
    lambda settings, seen: _find_by_words(seen, "certificate", "certificate"),
    _find_clocks,
)
"""Causes before their effects: a full disk stops the database, which stops the apps."""
