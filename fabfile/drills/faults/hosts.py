"""Faults of hosts, units and the network, each with its undo."""

from __future__ import annotations

from ...control.haproxy import drain_script, undrain_script
from ...engine.host import Node
from ...engine.psql import LIMITS
from ...engine.shell import q
from ...settings.reach import host_address
from ..errors import NotPossible
from ..target import DrillTarget
from .fault import LATEST, OnHosts

# -- the network

TABLE = "runbook_drill"
UNDO_NETWORK = (
    f"for family in netdev inet; do nft delete table $family {TABLE} 2>/dev/null; done; true"
)


def cut_host(target: DrillTarget, node: Node, *, silent: str = "") -> OnHosts:
    """Cut a host off, except for our own ssh, which undoes it. `silent`: an address that the host
    must not announce by ARP.

    The filter is at the device, because keepalived's ARP bypasses the filters of the host.
    """
    port = host_address(target.settings, node).port
    claim = f"meta protocol arp arp saddr ip {silent} drop; " if silent else ""
    here = 'device "$dev" priority -300; '
    into = (
        f"type filter hook ingress {here}meta protocol arp accept; tcp dport {port} accept; drop;"
    )
    out = (
        f"type filter hook egress {here}{claim}meta protocol arp accept; tcp sport {port} accept;"
        " drop;"
    )
    rules = f"table netdev {TABLE} {{\nchain in {{ {into} }}\nchain out {{ {out} }}\n}}\n"
    device = f"dev=$(ip -o -4 addr show to {node.address} | awk '{{ print $2; exit }}')\n"
    return OnHosts((node,), f"{device}nft -f - <<NFT\n{rules}NFT\n", UNDO_NETWORK)


def reject_calls(target: DrillTarget, node: Node) -> OnHosts:
    """Every connection to the app is refused by the node's firewall."""
    rules = (
        f"add table inet {TABLE}\nadd chain inet {TABLE} input {{ type filter hook input priority"
        f" -300; }}\nadd rule inet {TABLE} input iifname != lo tcp dport {target.port} reject with"
        " tcp reset\n"
    )
    return OnHosts((node,), f"nft -f - <<'NFT'\n{rules}NFT\n", UNDO_NETWORK)


# -- units


def unit_killed(target: DrillTarget, node: Node, unit: str) -> OnHosts:
    """All of a unit's processes die at once."""
    require_unit(target, node, unit)
    return OnHosts(
        (node,),
        f"systemctl kill -s KILL {q(unit)}\n",
        f"systemctl reset-failed {q(unit)}; systemctl start {q(unit)}",
    )


def unit_hung(target: DrillTarget, node: Node, unit: str) -> OnHosts:
    """SIGSTOP to all processes of a unit: the ports are open, but nothing answers."""
    require_unit(target, node, unit)
    signal = f"systemctl kill -s %s {q(unit)}"
    return OnHosts((node,), signal % "STOP" + "\n", f"{signal % 'CONT'}; systemctl start {q(unit)}")


def unit_stopped(target: DrillTarget, node: Node, unit: str) -> OnHosts:
    """A unit is stopped, and started again afterwards."""
    require_unit(target, node, unit)
    return OnHosts((node,), f"systemctl stop {q(unit)}\n", f"systemctl start {q(unit)}")


def unit_restarted(target: DrillTarget, node: Node, unit: str) -> OnHosts:
    """A restart as an operator would do it."""
    require_unit(target, node, unit)
    return OnHosts((node,), f"systemctl restart {q(unit)}\n", f"systemctl start {q(unit)}")


def starved_unit(target: DrillTarget, node: Node, unit: str) -> OnHosts:
    """A unit runs for a twentieth of the time: a machine that is far too busy."""
    require_unit(target, node, unit)
    signal = f"systemctl kill -s %s {q(unit)}"
    loop = f"while {signal % 'STOP'}; do sleep 0.475; {signal % 'CONT'}; sleep 0.025; done"
    back = f"systemctl stop runbook-drill-slow 2>/dev/null; {signal % 'CONT'}"
    return OnHosts((node,), in_background(loop), back)


def in_background(loop: str) -> str:
    """Script: `loop`, a bash text, goes on as the unit runbook-drill-slow until that is stopped."""
    return (
        f"systemd-run -q --unit=runbook-drill-slow -p RuntimeMaxSec={LATEST:.0f} /bin/bash -c"
        f" {q(loop)}\n"
    )


def require_unit(target: DrillTarget, node: Node, unit: str) -> None:
    """Raise NotPossible when the unit does not run."""
    if not target.has_unit(node, unit):
        raise NotPossible(
            f"{unit} is not active on {node.name}", "there is nothing to break", "fab status"
        )


# -- the database, the balancer's view, the clock


def connections_refused(target: DrillTarget) -> OnHosts:
    """The database refuses new connections of the app, as when others have used all of them."""
    kept = "/run/runbook-drill.limit"
    role = q(f"role={target.settings.database.user}")
    psql = (
        f"runuser -u postgres -- env PGOPTIONS={q(LIMITS)} psql -qAtX -v ON_ERROR_STOP=1 -v {role}"
    )
    limit = "SELECT rolconnlimit FROM pg_roles WHERE rolname = :'role';"
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = :'role';"
    alter = 'ALTER ROLE :"role" CONNECTION LIMIT'
    do = f"set -e\necho {q(limit)} | {psql} >{kept}.new; mv {kept}.new {kept}\n"
    do += f"echo {q(f'{alter} 0; {ended}')} | {psql} >/dev/null\n"
    back = f"[ ! -s {kept} ] || {{ echo {q(alter)} $(cat {kept}) | {psql} && rm -f {kept}; }}"
    return OnHosts((target.database,), do, back)


def drained_node(target: DrillTarget, node: Node) -> OnHosts:
    """A node drained at every edge."""
    edges = target.settings.inventory.having("edge")
    target.two_apps()
    return OnHosts(
        edges, drain_script(node.name, "deploy drill one-node-alone"), undrain_script(node.name)
    )


def clock_wrong(target: DrillTarget, node: Node) -> OnHosts:
    """A node's clock 90 s ahead."""
    if target.fleet.link(node).read(["systemd-detect-virt -cq"])[0].code == 0:
        raise NotPossible(f"{node.name} is a container", "a container has no clock of its own", "")
    kept = "/run/runbook-drill.clock"  # the right time, and the uptime at which it was read
    moment = "cut -d' ' -f1 /proc/uptime"
    do = (
        f'set -e; echo "$(date +%s.%N) $({moment})" >{kept}; date -s "@$(($(date +%s) + 90))"'
        " >/dev/null\n"
    )
    right = f"$({moment}) - $(cut -d' ' -f2 {kept}) + $(cut -d' ' -f1 {kept})"
    back = (
        f'[ ! -e {kept} ] || {{ date -s "@$(awk "BEGIN {{ printf \\"%.3f\\", {right} }}")"'
        f" >/dev/null && rm -f {kept}; }}"
    )
    return OnHosts((node,), do, back)
