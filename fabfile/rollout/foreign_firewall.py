"""Find a firewall of others on a host whose firewall the runbook shall manage."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

from ..engine.errors import RunbookError
from ..engine.host import Node
from ..engine.shell import Reading
from ..roles.firewall import ssh_ports
from ..settings.settings import Settings
from .condition import NOTHING, Precondition

PROBE = """systemctl is-active -q firewalld.service && echo 'program firewalld'
grep -qs '^ENABLED=yes' /etc/ufw/ufw.conf && echo 'program ufw'
[ ! -s /proc/net/ip_tables_names ] || echo 'program iptables-legacy'
nft list tables 2>/dev/null
ss -Hltn '( PORTS )' | grep -q . && echo listens
true"""

WAYS_OUT = {
    "ufw": "ufw disable",
    "firewalld": "systemctl disable --now firewalld",
    "iptables-legacy": "iptables-legacy-save   (what sets these rules?)",
}


def firewall_condition(settings: Settings, node: Node) -> Precondition:
    """On a site with `firewall = "managed"`: no other firewall is on `node`, and its sshd listens
    on the port that the rules let in."""
    ports = ssh_ports(settings, node)
    only = " or ".join(f"sport = :{port}" for port in ports)
    return Precondition(
        "firewall",
        PROBE.replace("PORTS", only),
        partial(judge_firewall, node.name, ports),
        lambda reading: "no other firewall",
    )


def judge_firewall(host: str, ports: Sequence[int], reading: Reading) -> list[RunbookError]:
    """One problem for each other firewall, and one if nothing listens on a port of ssh."""
    programs = re.findall(r"^program (\S+)$", reading.out, re.M)
    # firewalld and ufw make tables of their own: do not name these again.
    tables = re.findall(r"^table (\S+ \S+)$", reading.out, re.M) if not programs else []
    found = [_other_firewall(host, name, WAYS_OUT[name]) for name in programs]
    if foreign := [name for name in tables if not name.partition(" ")[2].startswith("runbook_")]:
        words = " and ".join(f"nftables table {name}" for name in foreign)
        way = f"nft list table {foreign[0]}; systemctl disable --now nftables   (or what loads it)"
        found.append(_other_firewall(host, words, way))
    words = " or ".join(map(str, ports))
    if not re.search(r"^listens$", reading.out, re.M):
        found.append(
            RunbookError(
                f"{host}: nothing listens on its ssh port {words}",
                f"the firewall rules would let in ssh on port {words} only, and lock everybody out;"
                f" {NOTHING}",
                "set ssh.port to the port of sshd on the host itself (ss -ltnp), or firewall ="
                ' "none" in the site file',
            )
        )
    return found


def _other_firewall(host: str, name: str, way_out: str) -> RunbookError:
    return RunbookError(
        f"{host} has another firewall: {name}",
        'firewall = "managed" in the site file means that the runbook alone decides; two sets of'
        f" rules both apply, and nobody sees why a packet is dropped; {NOTHING}",
        f'on {host}: {way_out}; or firewall = "none" in the site file',
    )
