"""Whether our systemd units run, start at boot and are not masked; and the last error of a failed
unit."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from ..control.haproxy import HAPROXY_UNIT
from ..control.keepalived import KEEPALIVED_UNIT
from ..control.nginx import NGINX_UNIT, REFRESHER_UNIT
from ..engine.host import Node
from ..engine.problem import HealthCheck, Problem
from ..engine.shell import Reading, q
from ..roles import healer, postgres, watchdog
from ..settings.paths import app_unit
from ..settings.settings import Settings
from ..steps.unit import RUNTIME_UNITS, TELLING

NAME = "units"

SLOW_START = 60
"""Seconds after which a unit that is still starting is a problem: the start timeout in app.service."""

OURS = "runbook-*"
"""Other units that the runbook makes on a host: oneshots of timers, transient units."""

ROTATION = "runbook-logrotate"

COSTS = {
    healer.HEALER_UNIT: "nothing restarts an app that hangs",
    REFRESHER_UNIT: "cached answers are no longer renewed",
    watchdog.UNIT: "nothing ends a HAProxy or nginx that hangs",
    f"{ROTATION}.timer": "the app's log grows without bound",
    f"{ROTATION}.service": "the app's log is not rotated",
    KEEPALIVED_UNIT: "this edge cannot take the floating address",
}
"""What does not work while the unit is stopped, where its name does not make it clear."""

UNFELT = (f"{ROTATION}.timer", f"{ROTATION}.service")
"""Units whose failure does not affect users at once."""


@dataclass(frozen=True)
class UnitState:
    """A unit as `systemctl show` prints it. Times are seconds since 1970 by the clock of the host;
    0 is never."""

    name: str
    load: str = ""
    active: str = ""
    sub: str = ""
    enabled: str = ""
    restarts: int = 0
    exit: str = ""
    """How its last process ended: `exit-code 1`, `oom-kill 9`; empty if it succeeded."""
    since: int = 0
    """When it became active, inactive or starting."""
    now: int = 0
    status: str = ""
    """The status text that the running service sets."""
    words: str = ""
    """The last line of its journal that names a cause; read only if the unit failed or starts.
    (A key of the JSON: scripts rely on it.)"""
    masked: str = ""
    """`/run` or `/etc`: where somebody masked it; empty if it is not masked."""

    @property
    def runs(self) -> bool:
        """Whether it runs."""
        return self.active in ("active", "reloading", "refreshing")

    @property
    def when(self) -> str:
        """Text such as `since 16:28:02 UTC (12 min ago)`."""
        return (
            f"since {show_moment(self.since, self.now)}" if self.since else "since the host booted"
        )

    def __str__(self) -> str:
        return f"{self.active}, {self.restarts} restarts, {self.when}"


def show_moment(at: int, now: int) -> str:
    """Return a time with its age; with the date if it is not today."""
    age = max(0, now - at)
    steps = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    size, unit = next((step for step in steps if age >= step[0]), steps[-1])
    form = "%H:%M:%S UTC" if at // 86_400 == now // 86_400 else "%Y-%m-%d %H:%M UTC"
    return f"{time.strftime(form, time.gmtime(at))} ({age // size} {unit} ago)"


def needed_units(settings: Settings, node: Node) -> list[str]:
    """Return the units that must run on `node`."""
    floating = [KEEPALIVED_UNIT] if settings.edge.address else []
    units = {
        "app": [app_unit(settings), healer.HEALER_UNIT, f"{ROTATION}.timer"],
        "postgres": [postgres.postgres_unit(settings)],
        "edge": [HAPROXY_UNIT, NGINX_UNIT, REFRESHER_UNIT, watchdog.UNIT, *floating],
    }
    return [unit for role in node.roles for unit in units[role]]


def unit_checks(settings: Settings, node: Node) -> list[HealthCheck]:
    """Return a single check for all units of `node`."""
    names = needed_units(settings, node)
    return [HealthCheck(NAME, unit_probe(names), partial(judge_units, node.name, names))]


PROPERTIES = (
    "Id,LoadState,ActiveState,SubState,UnitFileState,NRestarts,Result,ExecMainStatus,StatusText,"
    "StateChangeTimestamp,ActiveEnterTimestamp,InactiveEnterTimestamp"
)


def unit_probe(names: Sequence[str]) -> str:
    """Return read-only shell text for `parse_units`: it prints the units `names` and all other
    units of the runbook."""
    units = " ".join(map(q, [*names, OURS]))
    return (
        f"timeout 2 systemctl show --timestamp=unix -p {PROPERTIES} {units}\n"
        f"for unit in {' '.join(map(q, names))}; do\n"
        f'  [ ! {RUNTIME_UNITS}/"$unit" -ef /dev/null ] || printf "\\nId=%s\\nMasked=/run\\n"'
        ' "$unit"\ndone\n'
        f"timeout 2 systemctl list-units --state=failed,activating --plain --no-legend {units} |"
        " while read -r unit _; do\n"
        '  words() { timeout 1 journalctl -q -n 30 -o cat --no-pager "$@"; }\n'
        f'  said=$(words _SYSTEMD_UNIT="$unit" | grep -iE {q(TELLING)} | tail -n 1)\n'
        '  [ -n "$said" ] || said=$(words -u "$unit" | tail -n 1)\n'
        '  printf "\\nId=%s\\nWords=%s\\n" "$unit" "$said"\ndone\n'
        'printf "\\nNow=%s\\n" "$(date +%s)"'
    )


def parse_units(text: str) -> dict[str, UnitState]:
    """Read the units from the output of `unit_probe`, by name."""
    blocks = [
        dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        for block in text.split("\n\n")
    ]
    now = next((int(block["Now"]) for block in blocks if block.get("Now", "").isdigit()), 0)
    merged: dict[str, dict[str, str]] = {}
    for block in blocks:
        if name := block.get("Id"):
            merged.setdefault(name, {}).update(block)
    return {
        name: _parse_state(name, seen, now)
        for name, seen in merged.items()
        if "ActiveState" in seen
    }


def _parse_state(name: str, seen: dict[str, str], now: int) -> UnitState:
    active = seen["ActiveState"]
    entered = {"active": "ActiveEnterTimestamp", "inactive": "InactiveEnterTimestamp"}
    stamp = seen.get(entered.get(active, "StateChangeTimestamp"), "").lstrip("@")
    ended = f"{seen.get('Result')} {seen.get('ExecMainStatus', '')}".removesuffix(" 0").strip()
    in_etc = "/etc" if seen.get("LoadState") == "masked" else ""
    return UnitState(
        name,
        seen.get("LoadState", ""),
        active,
        seen.get("SubState", ""),
        seen.get("UnitFileState", ""),
        int(seen.get("NRestarts") or 0),
        "" if seen.get("Result", "success") == "success" else ended,
        int(stamp) if stamp.isdigit() else 0,
        now,
        seen.get("StatusText", ""),
        seen.get("Words", "").removeprefix("error: "),
        seen.get("Masked", "") or in_etc,
    )


def judge_units(host: str, names: Sequence[str], seen: Reading) -> list[Problem]:
    """Return what is wrong with the units `names`, and with other units of the runbook that failed."""
    states = parse_units(seen.out)
    found = []
    for name in names:
        state = states.get(name, UnitState(name))
        found += [problem for rule in RULES if (problem := rule(host, state))][:1]
    others = [state for name, state in states.items() if name not in names]
    found += [
        _stopped_unit(host, state)
        for state in others
        if state.active == "failed" or _starts_for_long(state)
    ]
    return found


def _unknown_unit(host: str, state: UnitState) -> Problem | None:
    if state.active and state.load not in ("not-found", "error", "bad-setting"):
        return None
    what = {"": "systemd does not report its state", "not-found": "it is not installed"}
    return Problem(
        f"{state.name}: {what.get(state.load, f'its file cannot be loaded ({state.load})')}",
        f"fab -H {host} plan",
        down=not state.runs,
        cause=False,
    )


def _masked_unit(host: str, state: UnitState) -> Problem | None:
    if not state.masked:
        return None
    option = " --runtime" if state.masked == "/run" else ""
    now = (
        "it still runs, but will not start again" if state.runs else f"{state.active} {state.when}"
    )
    return Problem(
        f"{state.name} is masked in {state.masked}: it cannot start; {now}",
        f"on {host}: systemctl unmask{option} {state.name}; then fab -H {host} deploy",
        down=not state.runs and state.name not in UNFELT,
        cause=False,
    )


def _disabled_unit(host: str, state: UnitState) -> Problem | None:
    if state.runs or (state.active == "activating" and not _starts_for_long(state)):
        return None
    return _stopped_unit(host, state)


def _stopped_unit(host: str, state: UnitState) -> Problem:
    ended = f" ({state.exit})" if state.exit else ""
    again = (
        f", {state.restarts} restarts" if state.active == "activating" and state.restarts else ""
    )
    verb = "has failed" if state.active == "failed" else f"is {state.active}"
    parts = [
        f"{state.name} {verb}{ended} {state.when}{again}",
        COSTS.get(state.name, ""),
        state.words,
    ]
    next_ = f"on {host}: journalctl -u {state.name} -n 20"
    return Problem(
        ": ".join(part for part in parts if part),
        next_ if state.active in ("failed", "activating") else f"fab -H {host} deploy",
        down=state.name not in UNFELT,
        cause=False,
    )


def _starts_for_long(state: UnitState) -> bool:
    """Whether it has been starting for a minute, or systemd restarts it repeatedly."""
    return state.active == "activating" and (
        state.now - state.since >= SLOW_START or state.sub == "auto-restart"
    )


def _starting_unit(host: str, state: UnitState) -> Problem | None:
    """Return a problem for a unit that is starting: it may succeed, but it does not serve yet."""
    if state.active != "activating":
        return None
    return Problem(
        f"{state.name} is starting {state.when}", "fab status   (again in a minute)", cause=False
    )


def _not_at_boot(host: str, state: UnitState) -> Problem | None:
    if state.enabled != "disabled":
        return None
    return Problem(
        f"{state.name} runs, but does not start at boot", f"fab -H {host} deploy", down=False
    )


RULES: tuple[Callable[[str, UnitState], Problem | None], ...] = (
    _masked_unit,
    _unknown_unit,
    _disabled_unit,
    _starting_unit,
    _not_at_boot,
)
"""What can be wrong with a unit that must run; only the first match is reported."""
