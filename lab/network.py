"""The lab's network: one bridge, one nftables table, each host's cable."""

from __future__ import annotations

import ipaddress
import json
import re

from . import sysctls
from .errors import LabError
from .lock import held
from .names import STATE, Lab
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


def up(lab: Lab) -> None:
    """Make settings, bridge and rules what they should be; harmless if they are."""
    with held(STATE / "network.lock", "another lab that changes the network"):
        sysctls.raise_all(first=not _bridges())
        if not succeeds("ip", "link", "show", lab.bridge):
            run("ip", "link", "add", lab.bridge, "type", "bridge")
        run("ip", "addr", "replace", f"{lab.gateway}/24", "dev", lab.bridge)
        run("ip", "link", "set", lab.bridge, "up")
        run("nft", "-f", "-", stdin=RULES.format(name=lab.bridge, subnet=lab.subnet))
        _open_firewall(lab)


def down(lab: Lab) -> None:
    """Remove them, and restore the machine's settings if this was the last lab."""
    with held(STATE / "network.lock", "another lab that changes the network"):
        # The bridge goes after the settings are restored: while one stands, their record counts.
        if _bridges() == [lab.bridge]:
            sysctls.restore()
        for name in [*cables(lab), lab.bridge]:
            if succeeds("ip", "link", "show", name):
                run("ip", "link", "delete", name)
        if succeeds("nft", "list", "table", "ip", lab.bridge):
            run("nft", "delete", "table", "ip", lab.bridge)
        _close_firewall(lab)
        if not _bridges():
            sysctls.RECORD.unlink(missing_ok=True)


# Where Docker (and iptables' habit) drops every forwarded packet it has no rule for.
FIREWALL = ("ip", "filter", "FORWARD")


def _open_firewall(lab: Lab) -> None:
    """Where this machine forwards nothing by default, let the lab's packets through."""
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


def _links() -> list[dict[str, object]]:
    links: list[dict[str, object]] = json.loads(run("ip", "-j", "link", "show") or "[]")
    return links


def _bridges() -> list[str]:
    """Bridges of all labs on this machine."""
    return [
        str(link["ifname"]) for link in _links() if re.fullmatch(r"rblab\d+", str(link["ifname"]))
    ]


def cables(lab: Lab) -> list[str]:
    """Our ends of this lab's cables."""
    return [str(link["ifname"]) for link in _links() if link.get("master") == lab.bridge]


def unplug(lab: Lab, name: str) -> None:
    """Remove a cable that a killed host left behind."""
    succeeds("ip", "link", "delete", lab.veth(name))


def set_cable(lab: Lab, name: str, state: str) -> None:
    """Take the host's cable `up` or `down`."""
    run("ip", "link", "set", lab.veth(name), state)


def is_cut(lab: Lab, name: str) -> bool:
    """Whether the host has a cable and it is down."""
    links = (
        json.loads(run("ip", "-j", "link", "show", lab.veth(name)) or "[]")
        if has_cable(lab, name)
        else []
    )
    return bool(links) and "UP" not in links[0]["flags"]


def has_cable(lab: Lab, name: str) -> bool:
    return succeeds("ip", "link", "show", lab.veth(name))


def refuse_foreign_subnet(lab: Lab) -> None:
    """
    Raises:
        LabError: the lab's subnet, or a part of it, already belongs to something else on this
        machine.
    """
    ours = ipaddress.IPv4Network(lab.subnet)
    for route in json.loads(run("ip", "-j", "-4", "route", "show", "table", "all") or "[]"):
        text = str(route["dst"])
        if route.get("dev") == lab.bridge or text == "default":
            continue
        if ipaddress.IPv4Network(text, strict=False).subnet_of(ours):
            raise LabError(
                f"{text} on {route.get('dev', 'this machine')} is in {lab.subnet}, the subnet of"
                f" lab {lab.number}.",
                "Two networks with one address range would take each other's packets.",
                f"Choose another lab number, for example: LAB={(lab.number + 1) % 100} inv lab.up",
            )
