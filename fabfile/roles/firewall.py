"""The firewall rules of a host, on a site with `firewall = "managed"`: drop everything but ssh and
what the system needs, by source address."""

from __future__ import annotations

from collections.abc import Mapping

from ..control.site_front import find_front
from ..engine.host import Node
from ..engine.step import Step
from ..settings.paths import SETTINGS
from ..settings.reach import host_address
from ..settings.settings import Settings
from ..settings.template import render_template
from ..steps.file import File
from ..steps.firewall import FOLDER, LISTING, RUNTIME, FirewallRules
from ..steps.leftover_units import LeftoverUnit, NoLeftoverUnits
from ..steps.package import Packages
from ..steps.unit import Unit
from . import haproxy
from .app import VERIFY
from .ports import list_routes

FIREWALL_UNIT = "runbook-firewall.service"
FIREWALL_RULES = f"{SETTINGS}/firewall.nft"
FIREWALL_TABLE = "inet runbook_firewall"
UNIT_FILE = f"/etc/systemd/system/{FIREWALL_UNIT}"


def is_managed(settings: Settings) -> bool:
    """Whether the runbook writes the firewall rules of the hosts."""
    return settings.firewall == "managed"


def firewall_steps(settings: Settings, node: Node, app_port: int | None) -> list[Step]:
    """The firewall of `node`; what an earlier deploy left of it if the firewall is not managed.

    `app_port` is needed on an app node only.
    """
    if not is_managed(settings):
        left = LeftoverUnit(FIREWALL_UNIT, UNIT_FILE, (FIREWALL_RULES, FOLDER))
        return [NoLeftoverUnits("firewall", (left,))]
    unit = render_template(
        "firewall/firewall.service",
        rules=FIREWALL_RULES,
        table=FIREWALL_TABLE,
        listing=LISTING,
        runtime=RUNTIME,
    )
    return [
        Packages(("nftables",)),
        FirewallRules(FIREWALL_RULES, FIREWALL_TABLE, firewall_rules(settings, node, app_port)),
        File(UNIT_FILE, unit, validate=VERIFY, notify=(f"restart:{FIREWALL_UNIT}",)),
        Unit(FIREWALL_UNIT),
    ]


def firewall_rules(settings: Settings, node: Node, app_port: int | None) -> str:
    """The text of the rules on `node`."""
    edge, is_edge = settings.edge, "edge" in node.roles
    floats = is_edge and bool(find_front(settings).moving_address)
    return render_template(
        "firewall/firewall.nft",
        table=FIREWALL_TABLE,
        ssh_ports=ssh_ports(settings, node),
        public_tcp=[edge.port, edge.https_port] if is_edge else [],
        public_udp=[edge.https_port] if is_edge and edge.http3 else [],
        balancer=edge.balancer if is_edge else (),
        balancer_tcp=edge.balancer_ports,
        vrrp_peers=[other.address for other in haproxy.other_edges(settings, node)]
        if floats
        else [],
        routes=sorted(sources_by_port(settings, node, app_port).items()),
    )


def ssh_ports(settings: Settings, node: Node) -> list[int]:
    """The ports on which sshd of `node` may listen: the one of the site file, and 22, because a
    bastion or a NAT may forward the first to the second."""
    return sorted({host_address(settings, node).port, 22})


def sources_by_port(
    settings: Settings, node: Node, app_port: int | None
) -> Mapping[int, list[str]]:
    """The addresses of the other hosts that need a port of `node`, by port."""
    found: dict[int, list[str]] = {}
    for other in settings.inventory.nodes:
        for route in list_routes(settings, other):
            number = route.number or app_port
            if route.target == node.name and number:
                sources = found.setdefault(number, [])
                if other.address not in sources:
                    sources.append(other.address)
    return found
