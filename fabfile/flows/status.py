"""What stands: one line a host, then what is wrong and the command to type. Read-only, one
session per host, safe at any hour."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ..console.json_file import write_json
from ..console.rollup import open_console
from ..engine.errors import UNREACHABLE
from ..engine.problem import Problem
from ..engine.words import plural
from ..health.host import HostStatus
from ..health.overview import read_site
from ..health.verdict import exit_code
from ..settings.reach import open_fleet
from ..settings.settings import Settings
from .status_table import show_hosts

__all__ = ["HostStatus", "show_status"]


def show_status(
    settings: Settings, names: Sequence[str], json: str | None, *, verbose: bool = False
) -> int:
    """Print it; 4 when a host cannot be reached, else as `exit_code` says. `verbose`: every
    unit, and what each balancer sees."""
    out, started = open_console(json), time.monotonic()
    with open_fleet(settings, settings.inventory.select(names), readonly=True) as fleet:
        hosts, site = read_site(settings, fleet)
        sessions = fleet.sessions
    show_hosts(out, hosts, site, verbose=verbose)
    out.print(_last_line(hosts, site, time.monotonic() - started, sessions))
    write_json(_as_json(settings, hosts, site), json)
    if not all(host.reachable for host in hosts):
        return UNREACHABLE
    return exit_code([*site, *(problem for host in hosts for problem in host.problems)])


def _last_line(
    hosts: Sequence[HostStatus], site: Sequence[Problem], seconds: float, sessions: int
) -> str:
    down = sum(host.down or not host.reachable for host in hosts)
    waits = sum(bool(host.problems) for host in hosts) - down
    parts = [plural(len(hosts), "host")]
    parts += [
        f"{count} {word}"
        for count, word in ((down, "in trouble"), (waits, "with a warning"))
        if count
    ]
    if len(parts) == 1 and not site:
        parts.append("all well")
    parts += [f"{seconds:.2f} s", plural(sessions, "ssh session")]
    return "[bold]status[/]: " + " · ".join(parts)


def _as_json(
    settings: Settings, hosts: Sequence[HostStatus], site: Sequence[Problem]
) -> dict[str, Any]:
    """For machines. `trouble` holds the sentences of `problems` that are about something that
    does not work."""

    def one(host: HostStatus) -> dict[str, Any]:
        trouble = [problem.message for problem in host.problems if problem.down]
        return {
            **asdict(host),
            "units": {name: str(state) for name, state in host.units.items()},
            "trouble": trouble,
        }

    return {
        "site": settings.name,
        "trouble": "; ".join(problem.message for problem in site),
        "problems": [asdict(problem) for problem in site],
        "hosts": [one(host) for host in hosts],
    }
