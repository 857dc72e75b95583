"""How `fab status` reads: a table with one line a host, then each problem with the command to
type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from ..console.rollup import show_problem
from ..engine.problem import Problem
from ..health.host import HostStatus
from ..roles.monitoring_units import LISTENERS

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

COLUMNS = ("host", "roles", "state", "load", "mem", "disk", "release", "what it does")
Said = TypeVar("Said")
HEALER_WELL = "the app is well"
"""What a healer says that has nothing to do (healer/diagnosis.py)."""


def show_hosts(
    out: Console, hosts: Sequence[HostStatus], site: Sequence[Problem], *, verbose: bool
) -> None:
    """Print it. `site` are problems of no single host; `verbose` adds every unit and what each
    balancer sees."""
    out.print(host_table(hosts))
    if verbose:
        for line in unit_details(hosts):
            out.print(line, style="dim", markup=False)
    for note in current_notes(hosts):
        out.print(f"· {note}", markup=False)
    for names, problem in gather_problems(hosts, site):
        show_problem(out, names, problem)


def host_table(hosts: Sequence[HostStatus]) -> Table:
    """One line a host."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, header_style="dim", pad_edge=False)
    for title in (
        COLUMNS
    ):  # where it is too narrow, the last column gets a second line, the others stay whole
        right = title in ("load", "mem", "disk")
        made.add_column(title, no_wrap=title != COLUMNS[-1], justify="right" if right else "left")
    for host in hosts:
        word, style = host_state(host)
        facts = host.facts
        shares = [f"{facts[key]}%" if key in facts else "" for key in ("mem", "disk")]
        release = facts.get("release", "").removeprefix("releases/")
        figures = (facts.get("load", ""), *shares, release)
        roles, does = " ".join(host.roles), what_it_does(host, hosts)
        made.add_row(Text(host.host, "bold"), roles, Text(word, style), *figures, does)
    return made


def host_state(host: HostStatus) -> tuple[str, str]:
    """The host in a word, and its colour."""
    if not host.reachable:
        return "unreachable", "bold red"
    if host.down:
        return "trouble", "bold red"
    return ("warning", "yellow") if host.problems else ("well", "green")


def what_it_does(host: HostStatus, hosts: Sequence[HostStatus]) -> str:
    """In a few words, and only what somebody was asked: `UP on both edges`, `holds the address`."""
    if not host.reachable:
        return ""
    parts = []
    if "edge" in host.roles:
        parts.append(_edge_text(host))
    if "app" in host.roles:
        parts.append(
            _served_text(host.host, {other.host: other for other in hosts if other.servers})
        )
    if "postgres" in host.roles:
        runs = any(unit.runs for name, unit in host.units.items() if name.startswith("postgresql"))
        parts.append("PostgreSQL runs" if runs else "")
    if "monitoring" in host.roles:
        watches = all(name in host.units and host.units[name].runs for name in LISTENERS)
        parts.append("watches the others" if watches else "")
    return ", ".join(part for part in parts if part)


def _edge_text(host: HostStatus) -> str:
    if host.edge is None:
        up = sum(server.up for server in host.servers.values())
        return f"sees {up} of {len(host.servers)} nodes UP" if host.servers else ""
    if host.edge.holds:
        return "holds the address"
    return "drained" if host.edge.drained else "stands by" if host.edge.able else "cannot take over"


def _served_text(node: str, edges: dict[str, HostStatus]) -> str:
    """How the edges that were asked see an app node."""
    seen = {edge: _server_word(node, status) for edge, status in edges.items()}
    words = set(seen.values())
    if words <= {"drained"} or words <= {"restarting"}:
        return "".join(words)
    if len(seen) > 1 and len(words) == 1:
        return f"{words.pop()} on {'both' if len(seen) == 2 else f'all {len(seen)}'} edges"
    return ", ".join(
        f"{word} on {edge}" if len(seen) == 1 else f"{word} {edge}" for edge, word in seen.items()
    )


def _server_word(node: str, edge: HostStatus) -> str:
    if node in edge.drained:
        return "drained"
    if node in edge.healing:
        return "restarting"
    server = edge.servers.get(node)
    return server.status if server else "unknown"


def unit_details(hosts: Sequence[HostStatus]) -> Iterator[str]:
    """Every unit, and what each balancer sees."""
    for host in hosts:
        for name, unit in host.units.items():
            yield f"{host.host:<8} {name:<30} {unit}"
        for server in host.servers.values():
            figures = f"{server.in_flight} in flight, {server.queued} queued"
            yield f"{host.host:<8} sees {server.node} {server.status}, {figures}"
        if host.healer:
            yield f"{host.host:<8} healer: {host.healer}"


def current_notes(hosts: Sequence[HostStatus]) -> Iterator[str]:
    """What goes on just now and is no problem: a lock, a healer at work."""
    for names, lock in _by_host((host.host, host.lock) for host in hosts if host.lock):
        yield f"{names}: locked by {lock}"
    for host in hosts:
        if host.healer not in ("", HEALER_WELL):
            yield f"{host.host}: healer: {host.healer}"


def gather_problems(
    hosts: Sequence[HostStatus], site: Sequence[Problem]
) -> list[tuple[str, Problem]]:
    """Each problem once, with the hosts that have it; what is down comes first."""
    found = [("", problem) for problem in site]
    found += [
        (names, problem)
        for names, problem in _by_host(
            (host.host, problem) for host in hosts for problem in host.problems
        )
    ]
    return sorted(found, key=lambda one: not one[1].down)


def _by_host(pairs: Iterable[tuple[str, Said]]) -> list[tuple[str, Said]]:
    """What several hosts say alike, once."""
    names: dict[Said, list[str]] = {}
    for name, what in pairs:
        names.setdefault(what, []).append(name)
    return [(", ".join(dict.fromkeys(hosts)), what) for what, hosts in names.items()]
