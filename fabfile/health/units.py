"""Whether our systemd units run, start at boot and are not masked; and the last error of a failed
unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from ..control.haproxy import HAPROXY_UNIT
from ..control.keepalived import KEEPALIVED_UNIT
from ..control.nginx import NGINX_UNIT, REFRESHER_UNIT
from ..control.silences import ALERTMANAGER_UNIT
from ..control.site_front import find_front
from ..engine.host import Node
from ..engine.messages import plural
from ..engine.problem import HealthCheck, Problem
from ..engine.shell import Reading
from ..roles import exporters, figures, firewall, healer, monitoring_units, postgres, watchdog
from ..settings.paths import app_unit
from ..settings.settings import Settings
from .unit_state import UnitState, parse_units, unit_probe

NAME = "units"

SLOW_START_SECONDS = 60
"""Seconds after which a unit that is still starting is a problem: the start timeout in
app.service."""

ROTATION = "runbook-logrotate"
"""The timer and the service that rotate the app's log, without their suffix."""

EFFECTS = {
    healer.HEALER_UNIT: "nothing restarts an app that hangs",
    REFRESHER_UNIT: "cached answers are no longer renewed",
    watchdog.WATCHDOG_UNIT: "nothing ends a HAProxy or nginx that hangs",
    f"{ROTATION}.timer": "the app's log grows without bound",
    f"{ROTATION}.service": "the app's log is not rotated",
    KEEPALIVED_UNIT: "this edge cannot take the floating address",
    monitoring_units.PROMETHEUS_UNIT: "no metrics are recorded, and no alert rule is evaluated",
    ALERTMANAGER_UNIT: "alerts reach nobody",
    monitoring_units.BLACKBOX_UNIT: "nothing probes the service from outside",
    exporters.GUARD_UNIT: "every host may read the metrics of this host",
    firewall.FIREWALL_UNIT: "every port of this host is open to everybody",
    exporters.NODE.unit: "the monitoring host does not see this host",
    figures.FIGURES_TIMER: "the monitoring host does not see the units of this host",
    exporters.POSTGRES.unit: "the monitoring host does not see PostgreSQL",
    exporters.EDGE.unit: "the monitoring host does not see what users get",
    figures.MTAIL_SOCKET: "the monitoring host does not see what users get",
}
"""What does not work while the unit is stopped, where its name does not make it clear."""

NO_USER_IMPACT = (
    f"{ROTATION}.timer",
    f"{ROTATION}.service",
    exporters.GUARD_UNIT,
    firewall.FIREWALL_UNIT,
    figures.FIGURES_TIMER,
    figures.MTAIL_SOCKET,
    *monitoring_units.LISTENERS,
    *(exporter.unit for exporter in (exporters.NODE, exporters.POSTGRES, exporters.EDGE)),
)
"""Units whose failure does not affect users at once."""


def needed_units(settings: Settings, node: Node) -> list[str]:
    """Return the units that must run on `node`."""
    front = find_front(settings).unit
    shared = [front] if front else []
    refresher = [REFRESHER_UNIT] if settings.program.caches else []
    units = {
        "app": [app_unit(settings), healer.HEALER_UNIT, f"{ROTATION}.timer"],
        "postgres": [postgres.postgres_unit(settings)],
        "edge": [HAPROXY_UNIT, NGINX_UNIT, *refresher, watchdog.WATCHDOG_UNIT, *shared],
        "monitoring": list(monitoring_units.LISTENERS),
    }
    return [
        *(unit for role in node.roles for unit in units[role]),
        *exporters.exporter_units(settings, node),
        *([firewall.FIREWALL_UNIT] if firewall.is_managed(settings) else []),
    ]


def unit_checks(settings: Settings, node: Node) -> list[HealthCheck]:
    """Return a single check for all units of `node`."""
    names = needed_units(settings, node)
    judge = partial(judge_units, node.name, names, incidents=unit_incidents(settings))
    return [HealthCheck(NAME, unit_probe(names), judge)]


def unit_incidents(settings: Settings) -> dict[str, str]:
    """Return, by unit, the incident if it does not run."""
    return {
        app_unit(settings): "app-down",
        postgres.postgres_unit(settings): "db-down",
        HAPROXY_UNIT: "edge-down",
        NGINX_UNIT: "edge-down",
        KEEPALIVED_UNIT: "edge-down",
        REFRESHER_UNIT: "cache-stale",
        healer.HEALER_UNIT: "healer-off",
    }


def judge_units(
    host: str, names: Sequence[str], seen: Reading, *, incidents: Mapping[str, str] | None = None
) -> list[Problem]:
    """Return what is wrong with the units `names`, and with other units of the runbook that
    failed. `incidents` has the incident of a unit that does not run."""
    states = parse_units(seen.out)
    found = []
    for name in names:
        state = states.get(name, UnitState(name))
        problem = next((problem for rule in RULES if (problem := rule(host, state))), None)
        if problem:
            # A unit that starts may succeed, and one that runs is no incident.
            ill = not state.runs and problem != _check_started(host, state)
            incident = (incidents or {}).get(name, "") if ill else ""
            found.append(replace(problem, unit=name, incident=incident))
    others = [state for name, state in states.items() if name not in names]
    found += [
        _describe_stopped_unit(host, state)
        for state in others
        if state.active == "failed" or _is_start_overdue(state)
    ]
    return found


def _check_loaded(host: str, state: UnitState) -> Problem | None:
    if state.active and state.load not in ("not-found", "error", "bad-setting"):
        return None
    what = {"": "systemd does not report its state", "not-found": "it is not installed"}
    return Problem(
        f"{state.name}: {what.get(state.load, f'its file cannot be loaded ({state.load})')}",
        f"fab -H {host} plan",
        down=not state.runs,
        cause=False,
    )


def _check_unmasked(host: str, state: UnitState) -> Problem | None:
    if not state.masked:
        return None
    option = " --runtime" if state.masked == "/run" else ""
    now = (
        "it still runs, but will not start again" if state.runs else f"{state.active} {state.when}"
    )
    return Problem(
        f"{state.name} is masked in {state.masked}: it cannot start; {now}",
        f"on {host}: systemctl unmask{option} {state.name}; then fab -H {host} deploy",
        down=not state.runs and state.name not in NO_USER_IMPACT,
        cause=False,
    )


def _check_running(host: str, state: UnitState) -> Problem | None:
    if state.runs or (state.active == "activating" and not _is_start_overdue(state)):
        return None
    return _describe_stopped_unit(host, state)


def _describe_stopped_unit(host: str, state: UnitState) -> Problem:
    ended = f" ({state.exit})" if state.exit else ""
    again = (
        f", {plural(state.restarts, 'restart')}"
        if state.active == "activating" and state.restarts
        else ""
    )
    verb = "has failed" if state.active == "failed" else f"is {state.active}"
    parts = [
        f"{state.name} {verb}{ended} {state.when}{again}",
        EFFECTS.get(state.name, ""),
        state.words,
    ]
    next_ = f"on {host}: journalctl -u {state.name} -n 20"
    return Problem(
        ": ".join(part for part in parts if part),
        next_ if state.active in ("failed", "activating") else f"fab -H {host} deploy",
        down=state.name not in NO_USER_IMPACT,
        cause=False,
    )


def _is_start_overdue(state: UnitState) -> bool:
    """Whether it has been starting for a minute, or systemd restarts it repeatedly."""
    return state.active == "activating" and (
        state.now - state.since >= SLOW_START_SECONDS or state.sub == "auto-restart"
    )


def _check_started(host: str, state: UnitState) -> Problem | None:
    """Return a problem for a unit that is starting: it may succeed, but it does not serve yet."""
    if state.active != "activating":
        return None
    return Problem(
        f"{state.name} is starting {state.when}", "fab status   (again in a minute)", cause=False
    )


def _check_enabled(host: str, state: UnitState) -> Problem | None:
    if state.enabled != "disabled":
        return None
    return Problem(
        f"{state.name} runs, but does not start at boot", f"fab -H {host} deploy", down=False
    )


RULES: tuple[Callable[[str, UnitState], Problem | None], ...] = (
    _check_unmasked,
    _check_loaded,
    _check_running,
    _check_started,
    _check_enabled,
)
"""What can be wrong with a unit that must run; only the first match is reported."""
