"""Read the state of systemd units: the probe, and the parser of its output."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from ..engine.messages import plural
from ..engine.shell import q
from ..records.moment import show_age
from ..steps.unit import REASON_PATTERN, RUNTIME_UNITS

OURS = "runbook-*"
"""Other units that the runbook makes on a host: oneshots of timers, transient units."""


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
        return f"{self.active}, {plural(self.restarts, 'restart')}, {self.when}"


def show_moment(at: int, now: int) -> str:
    """Return a time with its age; with the date if it is not today."""
    form = "%H:%M:%S UTC" if at // 86_400 == now // 86_400 else "%Y-%m-%d %H:%M UTC"
    return f"{time.strftime(form, time.gmtime(at))} ({show_age(now - at)})"


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
        f'  said=$(words _SYSTEMD_UNIT="$unit" | grep -iE {q(REASON_PATTERN)} | tail -n 1)\n'
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
        name=name,
        load=seen.get("LoadState", ""),
        active=active,
        sub=seen.get("SubState", ""),
        enabled=seen.get("UnitFileState", ""),
        restarts=int(seen.get("NRestarts") or 0),
        exit="" if seen.get("Result", "success") == "success" else ended,
        since=int(stamp) if stamp.isdigit() else 0,
        now=now,
        status=seen.get("StatusText", ""),
        words=seen.get("Words", "").removeprefix("error: "),
        masked=seen.get("Masked", "") or in_etc,
    )
