"""The lab's network: one bridge, one nftables table, and a cable for each host."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Sequence

from . import sysctls
from .errors import LabError
from .lock import hold_lock
from .names import BASTION, STATE, Lab
from .shell import run, succeeds

RULES = """
table ip {name} {{}}
delete table ip {name}
table ip {name} {{
  chain forward {{
    type filter hook forward priority filter; policy accept;
    # As on many real networks: no answer, no refusal.
    iifname "{name}" ip daddr 8.8.8.8 drop
    iifname "{name}" tcp flags syn tcp option maxseg size set rt mtu
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {subnet} ip daddr != {subnet} masquerade
  }}
}}
"""
ONLY_BASTION = """
table ip {name} {{
  chain output {{
    type filter hook output priority filter; policy accept;
    # This machine, the controller, reaches sshd of the bastion only.
    oifname "{name}" ip daddr != {bastion} tcp dport 22 drop
  }}
}}
"""


def set_up_network(lab: Lab, names: Sequence[str] = ()) -> None:
    """Set up kernel settings, bridge and rules for the hosts called `names`; harmless if they are
    right."""
    with hold_lock(STATE / "network.lock", "another lab that changes the network"):
        sysctls.raise_settings(first=not _list_bridges())
        if not succeeds("ip", "link", "show", lab.bridge):
            run("ip", "link", "add", lab.bridge, "type", "bridge")
        run("ip", "addr", "replace", f"{lab.gateway}/24", "dev", lab.bridge)
        run("ip", "link", "set", lab.bridge, "up")
        rules = RULES + (ONLY_BASTION if BASTION in names else "")
        values = {"name": lab.bridge, "subnet": lab.subnet, "bastion": lab.address(BASTION)}
        run("nft", "-f", "-", stdin=rules.format(**values))
        _open_firewall(lab)


def remove_network(lab: Lab) -> None:
    """Remove bridge and rules; restore the kernel settings if this was the last lab."""
    with hold_lock(STATE / "network.lock", "another lab that changes the network"):
        # Restore before the bridge goes: the record counts only while a bridge exists.
        if _list_bridges() == [lab.bridge]:
            sysctls.restore_settings()
        for name in [*list_cables(lab), lab.bridge]:
            if succeeds("ip", "link", "show", name):
                run("ip", "link", "delete", name)
        if succeeds("nft", "list", "table", "ip", lab.bridge):
            run("nft", "delete", "table", "ip", lab.bridge)
        _close_firewall(lab)
        if not _list_bridges():
            sysctls.RECORD.unlink(missing_ok=True)


FIREWALL = ("ip", "filter", "FORWARD")
"""The chain in which Docker and iptables drop every forwarded packet that has no rule."""


def _open_firewall(lab: Lab) -> None:
    """Let the lab's packets through where this machine forwards nothing by default."""
    _close_firewall(lab)
    if succeeds("nft", "list", "chain", *FIREWALL) and "policy drop" in run(
        "nft", "list", "chain", *FIREWALL
    ):
        for side in ("iifname", "oifname"):
            run(
                "nft",
                "insert",
                "rule",
                *FIREWALL,
                side,
                lab.bridge,
                "accept",
                "comment",
                lab.bridge,
            )


def _close_firewall(lab: Lab) -> None:
    if succeeds("nft", "list", "chain", *FIREWALL):
        rules = run("nft", "--handle", "list", "chain", *FIREWALL)
        for handle in re.findall(rf'comment "{lab.bridge}" # handle (\d+)', rules):
            run("nft", "delete", "rule", *FIREWALL, "handle", handle)


def _read_links() -> list[dict[str, object]]:
    links: list[dict[str, object]] = json.loads(run("ip", "-j", "link", "show") or "[]")
    return links


def _list_bridges() -> list[str]:
    """Return the bridges of all labs on this machine."""
    return [
        str(link["ifname"])
        for link in _read_links()
        if re.fullmatch(r"rblab\d+", str(link["ifname"]))
    ]


def list_cables(lab: Lab) -> list[str]:
    """Return the bridge's ends of this lab's cables."""
    return [str(link["ifname"]) for link in _read_links() if link.get("master") == lab.bridge]


def remove_cable(lab: Lab, name: str) -> None:
    """Remove the cable that a killed host left behind, if there is one."""
    succeeds("ip", "link", "delete", lab.veth(name))


def set_cable(lab: Lab, name: str, state: str) -> None:
    """Set the host's cable to `state`: `up` or `down`."""
    run("ip", "link", "set", lab.veth(name), state)


def is_cable_cut(lab: Lab, name: str) -> bool:
    """Return whether the host has a cable that is down."""
    links = (
        json.loads(run("ip", "-j", "link", "show", lab.veth(name)) or "[]")
        if has_cable(lab, name)
        else []
    )
    return bool(links) and "UP" not in links[0]["flags"]


def has_cable(lab: Lab, name: str) -> bool:
    return succeeds("ip", "link", "show", lab.veth(name))


def refuse_foreign_subnet(lab: Lab) -> None:
    """Check that nothing else on this machine uses the lab's subnet or a part of it.

    Raises:
        LabError: something does.
    """
    ours = ipaddress.IPv4Network(lab.subnet)
    for route in json.loads(run("ip", "-j", "-4", "route", "show", "table", "all") or "[]"):
        text = str(route["dst"])
        if route.get("dev") == lab.bridge or text == "default":
            continue
        if ipaddress.IPv4Network(text, strict=False).subnet_of(ours):
            raise LabError(
                f"{text} on {route.get('dev', 'this machine')} lies in {lab.subnet}, the subnet of"
                f" lab {lab.number}",
                "packets of one network would end up in the other",
                f"choose another number, for example: LAB={(lab.number + 1) % 100} inv lab.up",
            )
