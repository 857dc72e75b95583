"""Print the status: a table with a line for each host, then each problem with its command."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from ..console.rollup import show_problem
from ..engine.problem import Problem
from ..health.host import HostStatus
from ..roles.monitoring_units import LISTENERS

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

FIGURE_COLUMNS = ("load", "mem", "disk")
COLUMNS = ("host", "roles", "state", "load", "mem", "disk", "release", "what it does")
Item = TypeVar("Item")
HEALER_IDLE = "the app is well"
"""The message of a healer that has nothing to do (healer/diagnosis.py)."""


def show_hosts(
    out: Console,
    hosts: Sequence[HostStatus],
    site: Sequence[Problem],
    summary: Mapping[str, str],
    *,
    verbose: bool,
) -> None:
    """Print the status.

    Args:
        out: where to print.
        hosts: the hosts.
        site: the problems that concern no single host.
        summary: a sentence for each subject that needs nobody.
        verbose: also print every unit, and what each balancer sees.
    """
    out.print(host_table(hosts))
    if verbose:
        for line in unit_details(hosts):
            out.print(line, style="dim", markup=False)
    if summary:
        out.print(summary_table(summary))
    for note in current_notes(hosts):
        out.print(f"· {note}", markup=False)
    for names, problem in gather_problems(hosts, site):
        show_problem(out, names, problem)


def host_table(hosts: Sequence[HostStatus]) -> Table:
    """A table with one line for each host."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="dim", pad_edge=False)
    for title in COLUMNS:
        # On a narrow screen only the last column wraps.
        table.add_column(
            title,
            no_wrap=title != COLUMNS[-1],
            justify="right" if title in FIGURE_COLUMNS else "left",
        )
    for host in hosts:
        word, style = host_state(host)
        facts = host.facts
        table.add_row(
            Text(host.host, "bold"),
            " ".join(host.roles),
            Text(word, style),
            facts.get("load", ""),
            f"{facts['mem']}%" if "mem" in facts else "",
            f"{facts['disk']}%" if "disk" in facts else "",
            facts.get("release", "").removeprefix("releases/"),
            describe_duty(host, hosts),
        )
    return table


def summary_table(summary: Mapping[str, str]) -> Table:
    """A table with one line for each subject."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column()
    for subject, text in summary.items():
        table.add_row(Text(subject, "dim"), Text(text, "dim"))
    return table


def host_state(host: HostStatus) -> tuple[str, str]:
    """The state of a host in a word, and its style."""
    if not host.reachable:
        return "unreachable", "bold red"
    if host.down:
        return "trouble", "bold red"
    return ("warning", "yellow") if host.problems else ("well", "green")


def describe_duty(host: HostStatus, hosts: Sequence[HostStatus]) -> str:
    """What a host does for the service, such as `UP on both edges` or `holds the address`.

    Args:
        host: the host.
        hosts: all hosts that were read; an app node is described by the edges among them.
    """
    if not host.reachable:
        return ""
    parts = []
    if "edge" in host.roles:
        parts.append(_edge_text(host))
    if "app" in host.roles:
        edges = {other.host: other for other in hosts if other.servers}
        parts.append(_app_text(host.host, edges))
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
    return host.edge.describe()


def _app_text(node: str, edges: dict[str, HostStatus]) -> str:
    """How the edges see an app node."""
    words = {edge: _server_word(node, status) for edge, status in edges.items()}
    if not words:
        return ""
    if len(set(words.values())) > 1:
        return ", ".join(f"{word} {edge}" for edge, word in words.items())
    edge, word = next(iter(words.items()))
    if word in ("drained", "restarting"):
        return word
    if len(words) == 1:
        return f"{word} on {edge}"
    return f"{word} on {'both' if len(words) == 2 else f'all {len(words)}'} edges"


def _server_word(node: str, edge: HostStatus) -> str:
    if node in edge.drained:
        return "drained"
    if node in edge.healing:
        return "restarting"
    server = edge.servers.get(node)
    return server.status if server else "unknown"


def unit_details(hosts: Sequence[HostStatus]) -> Iterator[str]:
    """Every unit, what each balancer sees, and what each healer reports."""
    for host in hosts:
        width = max((len(name) for name in host.units), default=0)
        for name, unit in host.units.items():
            yield f"{host.host:<8} {name:<{width}} {unit}"
        for server in host.servers.values():
            figures = f"{server.in_flight} in flight, {server.queued} queued"
            yield f"{host.host:<8} sees {server.node} {server.status}, {figures}"
        if host.healer:
            yield f"{host.host:<8} healer: {host.healer}"


def current_notes(hosts: Sequence[HostStatus]) -> Iterator[str]:
    """What happens at the moment and is no problem: a lock, a healer at work."""
    for names, lock in _by_host((host.host, host.lock) for host in hosts if host.lock):
        yield f"{names}: locked by {lock}"
    for host in hosts:
        if host.healer not in ("", HEALER_IDLE):
            yield f"{host.host}: healer: {host.healer}"


def gather_problems(
    hosts: Sequence[HostStatus], site: Sequence[Problem]
) -> list[tuple[str, Problem]]:
    """Each problem once, with the hosts that have it. Problems that take something down come
    first."""
    found = [("", problem) for problem in site]
    found += _by_host((host.host, problem) for host in hosts for problem in host.problems)
    return sorted(found, key=lambda pair: not pair[1].down)


def _by_host(pairs: Iterable[tuple[str, Item]]) -> list[tuple[str, Item]]:
    """Each item once, with the names of all its hosts."""
    names: dict[Item, list[str]] = {}
    for name, item in pairs:
        names.setdefault(item, []).append(name)
    return [(", ".join(dict.fromkeys(hosts)), item) for item, hosts in names.items()]
