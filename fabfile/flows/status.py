"""What stands, in one table, from one session per host. Read-only: safe at any hour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from ..engine import lock as locks
from ..engine.errors import DIFFERS, FAILED, OK, UNREACHABLE, RunbookError
from ..engine.fleet import Fleet
from ..engine.problem import Problem
from ..engine.report import console, write_json
from ..engine.shell import Reading
from ..engine.step import PENDING
from ..inventory import Node
from ..roles import app, haproxy, haproxy_view, healer, keepalived, nginx, postgres
from ..settings import Settings
from . import health

if TYPE_CHECKING:
    from rich.console import Console

BASE = f"""printf 'load=%s\\n' "$(cut -d' ' -f1 /proc/loadavg)"
printf 'mem=%s\\n' "$(awk '/MemTotal/{{t=$2}} /MemAvailable/{{a=$2}} END{{printf "%d", 100-100*a/t}}' /proc/meminfo)"
printf 'disk=%s\\n' "$(df -P / | awk 'NR==2{{print $5+0}}')"
printf 'release=%s\\n' "$(readlink {app.ROOT}/current 2>/dev/null)"
for owed in {PENDING}/*; do [ -e "$owed" ] && echo "owed=${{owed##*/}}"; done
printf 'last=%s\\n' "$(tail -n 1 /var/log/runbook/journal.jsonl 2>/dev/null)"
true"""


@dataclass
class HostStatus:
    """One host. `units` maps a unit to `ActiveState/restarts/since`; `trouble` is empty on a host that is well."""

    host: str
    roles: tuple[str, ...]
    reachable: bool = True
    facts: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    servers: dict[str, haproxy_view.Server] = field(default_factory=dict)
    drained: dict[str, str] = field(default_factory=dict)
    edge: keepalived.Seen | None = None
    """On an edge of a site with a floating address: whether it holds it, could, or is drained."""
    healer: str = ""
    """On an app node: the healer's last sentence."""
    healing: list[str] = field(default_factory=list)
    """On an edge: nodes that their healers have drained, to restart the app."""
    owed: list[str] = field(default_factory=list)
    lock: str = ""
    trouble: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    """What the health checks found."""


def status(settings: Settings, names: Sequence[str], json: str | None) -> int:
    """Print it; 0 when all is well, 1 when something is down or sick, 2 when something waits (drained, owed), 4 unreachable."""
    out = console(json)
    with Fleet(settings, settings.inventory.select(names), readonly=True) as fleet:
        seen = fleet.each(lambda node: _look(settings, fleet, node))
    hosts = [
        result if isinstance(result, HostStatus) else _gone(settings, name, result) for name, result in seen.items()
    ]
    astray = _astray(settings, hosts)
    _show(out, hosts)
    if astray:
        out.print(f"✗ {astray}", style="bold red")
    write_json({"site": settings.name, "trouble": astray, "hosts": [asdict(host) for host in hosts]}, json)
    if not all(host.reachable for host in hosts):
        return UNREACHABLE
    if astray or any(host.trouble for host in hosts):
        return FAILED
    waiting = any(
        host.drained or host.healing or host.owed or host.problems or (host.edge and host.edge.drained)
        for host in hosts
    )
    return DIFFERS if waiting else OK


def _astray(settings: Settings, hosts: Sequence[HostStatus]) -> str:
    """What is wrong with the floating address, when every edge was asked; empty when exactly one has it."""
    edges = [host.edge for host in hosts if host.edge]
    if not edges or len(edges) < len(settings.inventory.having("edge")):
        return ""
    holders = [edge.name for edge in edges if edge.holds]
    if not holders:
        return f"no edge holds {settings.edge.address}: users get no answer (fab deploy)"
    return f"{' and '.join(holders)} both hold {settings.edge.address}" if len(holders) > 1 else ""


def _gone(settings: Settings, name: str, error: object) -> HostStatus:
    node = settings.inventory.select([name])[0]
    said = str(error) if isinstance(error, RunbookError) else "?"
    return HostStatus(name, node.roles, reachable=False, trouble=[said])


def _units(settings: Settings, node: Node) -> list[str]:
    edge = [haproxy.UNIT, nginx.UNIT, nginx.REFRESHER, *([keepalived.UNIT] if settings.edge.address else [])]
    units = {"app": [app.unit(settings), healer.UNIT], "postgres": [postgres.service(settings)], "edge": edge}
    return [unit for role in node.roles for unit in units[role]]


def _look(settings: Settings, fleet: Fleet, node: Node) -> HostStatus:
    units = _units(settings, node)
    show = "systemctl show -p Id,ActiveState,SubState,NRestarts,ActiveEnterTimestamp " + " ".join(
        f"'{unit}'" for unit in units
    )
    drained = f'cd {haproxy.DRAINED} 2>/dev/null && for n in *; do [ -e "$n" ] && echo "$n=$(cat "$n")"; done; true'
    is_edge = "edge" in node.roles
    floats = is_edge and bool(settings.edge.address)
    nodes = settings.inventory.having("app")
    probes = [
        BASE,
        show,
        locks.PROBE,
        haproxy_view.stat() + " 2>/dev/null; true" if is_edge else "true",
        drained,
        keepalived.look(settings) if floats else "true",
        haproxy_view.healing(nodes) if is_edge else "true",
        f"systemctl show --value -p StatusText {healer.UNIT}" if "app" in node.roles else "true",
    ]
    checks = health.checks(settings, node)
    answers = fleet.link(node).read([*probes, *(check.probe for check in checks)])
    base, unit_text, lock, stat, drains, edge, healing, healer_said = answers[: len(probes)]
    host = HostStatus(node.name, node.roles)
    for line in base.out.splitlines():
        key, _, value = line.partition("=")
        if key == "owed":
            host.owed.append(value)
        elif value:
            host.facts[key] = value
    host.drained = dict(line.split("=", 1) for line in drains.out.splitlines() if "=" in line)
    holder = locks.parse(lock.out)
    host.lock = f"{holder.who}: {holder.task} {holder.reason}".strip() if holder else ""
    host.servers = haproxy_view.parse_stat(stat.out)
    host.edge = keepalived.parse(node.name, edge.out) if floats else None
    host.healing = list(haproxy_view.parse_healing(nodes, healing.out).drained)
    host.healer = healer_said.out.strip()
    _judge(host, unit_text)
    for check, answer in zip(checks, answers[len(probes) :], strict=True):
        host.problems.extend(check.judge(answer))
    return host


def _judge(host: HostStatus, units: Reading) -> None:
    for block in units.out.strip().split("\n\n"):
        seen = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        name, state = seen.get("Id", "?"), seen.get("ActiveState", "?")
        host.units[name] = (
            f"{state}, {seen.get('NRestarts', '0')} restarts, since {seen.get('ActiveEnterTimestamp', '?') or 'never'}"
        )
        if state != "active":
            host.trouble.append(f"{name} is {state}")
    if "edge" in host.roles and not host.servers:
        host.trouble.append("the balancer does not answer on its socket")
    if host.edge and not host.edge.healthy:
        host.trouble.append("no way through nginx and HAProxy to an answer on this edge")
    for server in host.servers.values():
        if not server.up and server.node not in (*host.drained, *host.healing):
            host.trouble.append(f"the balancer sees {server.node} {server.status}")
    if int(host.facts.get("disk", 0)) >= 90:
        host.trouble.append(f"the disk is {host.facts['disk']} % full")


COLUMNS = ("host", "roles", "state", "load", "mem", "disk", "release", "what runs")


def _show(out: Console, hosts: list[HostStatus]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(*COLUMNS, box=None, header_style="dim", pad_edge=False)
    for host in hosts:
        word = "unreachable" if not host.reachable else "trouble" if host.trouble or host.problems else "well"
        state = Text(word, "green" if word == "well" else "bold red")
        facts = host.facts
        shares = (_percent(facts.get("mem")), _percent(facts.get("disk")))
        runs = "\n".join(f"{name.removesuffix('.service')}: {said}" for name, said in host.units.items())
        release = facts.get("release", "").removeprefix("releases/")
        table.add_row(
            Text(host.host, "bold"), " ".join(host.roles), state, facts.get("load", ""), *shares, release, runs
        )
    out.print(table)
    for host in hosts:
        for said, style, hint in _remarks(host):
            out.print(Text(f"{host.host} {said}", style) + Text(hint, "dim"))


def _remarks(host: HostStatus) -> Iterator[tuple[str, str, str]]:
    """What is worth a line of its own: sentence, style, and a hint at what to type."""
    for server in host.servers.values():
        style = "green" if server.up else "yellow" if server.node in (*host.drained, *host.healing) else "bold red"
        yield f"sees {server.node} {server.status}", style, f", {server.in_flight} in flight, {server.queued} queued"
    if host.edge and host.edge.holds:
        yield "holds the floating address", "green", ""
    if host.edge and host.edge.drained:
        yield f"is drained: {host.edge.drained}", "yellow", f"   (fab -H {host.host} undrain)"
    for node, why in host.drained.items():
        hint = "fab deploy, or fab rollback" if why.startswith("gate ") else f"fab -H {node} undrain"
        yield f"holds {node} drained: {why}", "yellow", f"   ({hint})"
    for node in host.healing:
        yield f"holds {node} drained: its healer restarts the app", "yellow", "   (by itself it ends within a minute)"
    if host.healer:
        yield f"healer: {host.healer}", "", ""
    for owed in host.owed:
        unit, _, action = owed.rpartition(".")
        yield f"owes a {action} of {unit}", "yellow", "   (fab deploy)"
    if host.lock:
        yield f"is locked by {host.lock}", "yellow", ""
    for trouble in host.trouble:
        yield f"✗ {trouble}", "bold red", ""
    for problem in host.problems:
        hint = f"   ({problem.next})" if problem.next else ""
        yield f"✗ {problem.message}", "bold red" if problem.down else "yellow", hint


def _percent(text: str | None) -> str:
    return f"{text} %" if text else ""
