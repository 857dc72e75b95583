"""`fab status`: one line for each host, then each problem with the command to type.

Read-only, with one ssh session for each host.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..console.json_file import write_json
from ..console.next_step import PAGES_ONLY, TRIAGE, choose_incident, show_next_step
from ..console.rollup import open_console
from ..engine.errors import UNREACHABLE
from ..engine.host import Node
from ..engine.messages import plural
from ..engine.problem import Problem
from ..health.host import HostStatus
from ..health.overview import read_site
from ..health.verdict import exit_code
from ..settings.reach import open_fleet
from ..settings.settings import Settings
from .status_summary import summarise_site
from .status_table import show_hosts

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["HostStatus", "show_status"]


WATCH_SECONDS = 3.0
"""Between two readings of `--watch`; a reading takes about half a second."""


def show_status(
    settings: Settings,
    names: Sequence[str],
    json: str | None,
    *,
    verbose: bool = False,
    watch: bool = False,
) -> int:
    """Print the status of the hosts called `names` (all, without names).

    Args:
        settings: the site.
        names: the hosts.
        json: where to write the JSON.
        verbose: also print every unit, and what each balancer sees.
        watch: read and print again every few seconds, until Ctrl-C.

    Returns:
        The exit code: 4 if a host is unreachable, else see `exit_code`.
    """
    out = open_console(json)
    nodes = settings.inventory.select(names)
    while True:
        # A fleet of its own for each reading: a host that came back is reached again.
        code = _show_once(settings, nodes, json, out, verbose=verbose, clear=watch)
        if not watch:
            return code
        try:
            time.sleep(WATCH_SECONDS)
        except KeyboardInterrupt:
            return code


def _show_once(
    settings: Settings,
    nodes: Sequence[Node],
    json: str | None,
    out: Console,
    *,
    verbose: bool,
    clear: bool,
) -> int:
    started = time.monotonic()
    with open_fleet(settings, nodes, readonly=True) as fleet:
        hosts, site = read_site(settings, fleet)
        sessions = fleet.sessions
    summary = summarise_site(settings, hosts, datetime.now(UTC))
    if clear:
        out.clear()
    show_hosts(out, hosts, site, summary, verbose=verbose)
    out.print(_last_line(hosts, site, time.monotonic() - started, sessions))
    show_next_step(out, find_incident(settings, hosts, site))
    write_json(_as_json(settings, hosts, site, summary), json)
    if not all(host.reachable for host in hosts):
        return UNREACHABLE
    return exit_code([*site, *(problem for host in hosts for problem in host.problems)])


def find_incident(settings: Settings, hosts: Sequence[HostStatus], site: Sequence[Problem]) -> str:
    """The incident that fits the problems; empty if there is none, or if every problem is a small
    one whose own command is enough. Pure."""
    if not site and not any(host.problems for host in hosts):
        return ""
    # Loaded only when something is wrong: they load most of the runbook.
    from ..incidents.evidence import Evidence
    from ..incidents.hypotheses import OTHER, find_causes

    causes = find_causes(settings, Evidence(hosts, site))
    known = {cause.name for cause in causes} - {OTHER}
    unknown = [TRIAGE] if any(cause.down for cause in causes) else []
    # A healer that is off beside an app that is down: the app comes first.
    return choose_incident(known - PAGES_ONLY or known or unknown)


def _last_line(
    hosts: Sequence[HostStatus], site: Sequence[Problem], seconds: float, sessions: int
) -> str:
    down = sum(host.down or not host.reachable for host in hosts)
    warned = sum(bool(host.problems) for host in hosts) - down
    parts = [plural(len(hosts), "host")]
    if down:
        parts.append(f"{down} in trouble")
    if warned:
        parts.append(f"{warned} with a warning")
    if site:
        parts.append(f"{plural(len(site), 'problem')} of the site")
    if not down and not warned and not site:
        parts.append("all well")
    parts += [f"{seconds:.2f} s", plural(sessions, "ssh session")]
    return "[bold]status[/]: " + " · ".join(parts)


def _as_json(
    settings: Settings,
    hosts: Sequence[HostStatus],
    site: Sequence[Problem],
    summary: Mapping[str, str],
) -> dict[str, Any]:
    """The JSON. `trouble` has the messages of those `problems` that are about something down."""

    def host_json(host: HostStatus) -> dict[str, Any]:
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
        "summary": dict(summary),
        "hosts": [host_json(host) for host in hosts],
    }
