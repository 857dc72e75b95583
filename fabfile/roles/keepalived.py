"""One address for all edges, and moving it to another edge on purpose without breaking a
connection."""

from __future__ import annotations

from ..control.haproxy import EDGE_HEALTH
from ..control.keepalived import (
    EDGE_DRAINED,
    HANDOVER_TOOL,
    INTERFACE,
    KEEPALIVED_UNIT,
    check_command,
    holds_probe,
)
from ..engine.host import Node
from ..engine.shell import q
from ..engine.step import Step
from ..settings.paths import CURL, TOOLS
from ..settings.settings import Edge, Settings
from ..settings.template import render_template
from ..steps.account import Account
from ..steps.file import Directory, File
from ..steps.leftovers import NoLeftoverHandover
from ..steps.package import Packages
from ..steps.unit import Unit

CHECKER = "keepalived_script"
"""The user that the path check runs as."""
REACH = f"{TOOLS}/edge-reach"
CHECK = "sed 's/script_user .*/script_user root/' {} >{}.root && keepalived -t -f {}.root"
"""Debian 12's keepalived 2.2.7 ends its own test with SIGTERM when a script runs as another user
(keepalived issue 2587)."""


def keepalived_steps(settings: Settings, node: Node) -> list[Step]:
    """The whole role, for a site with a floating address."""
    drop_in, restart = f"/etc/systemd/system/{KEEPALIVED_UNIT}.d", (f"restart:{KEEPALIVED_UNIT}",)
    interface = f"{TOOLS}/edge-interface"
    return [
        Packages(("keepalived", "curl", "nftables", "iproute2", "procps")),
        Account(CHECKER),
        File(
            interface, render_template("keepalived/edge-interface", interface=INTERFACE), mode=0o755
        ),
        File(HANDOVER_TOOL, render_template("keepalived/edge-handover"), mode=0o755),
        File(REACH, render_template("keepalived/edge-reach", node=node), mode=0o755),
        Directory(drop_in),
        File(
            f"{drop_in}/hardening.conf",
            render_template("keepalived/hardening.conf"),
            notify=restart,
        ),
        File(
            f"{drop_in}/start.conf",
            render_template("keepalived/start.conf", tools=TOOLS, address=node.address),
            notify=restart,
        ),
        File(
            "/etc/keepalived/keepalived.conf",
            keepalived_config(settings, node),
            validate=f"{interface} {node.address} && {CHECK}",
            notify=(f"reload:{KEEPALIVED_UNIT}",),
        ),
        Unit(
            KEEPALIVED_UNIT,
            ready=_somebody_holds(settings.edge),
        ),
        NoLeftoverHandover(settings.edge.address),
    ]


def keepalived_config(settings: Settings, node: Node) -> str:
    """keepalived's configuration for `node`."""
    return render_template(
        "keepalived/keepalived.conf",
        edge=settings.edge,
        node=node,
        others=[other for other in settings.inventory.having("edge") if other != node],
        interface=INTERFACE,
        user=CHECKER,
        check=check_command(settings),
        reach=REACH,
        drained=EDGE_DRAINED,
    )


def _somebody_holds(edge: Edge, seconds: int = 15) -> str:
    """Shell text: this edge or another has the floating address, at the latest after `seconds`
    (a host that boots waits 1 s before it claims). Another is known by its answer, or, where a
    firewall keeps edges from each other's port, by ARP."""
    ask = (
        f"{CURL}{edge.address} -s -o /dev/null --max-time 1"
        f" http://{edge.address}:{edge.port}{EDGE_HEALTH}"
    )
    arp = f"ip -4 neighbour show to {edge.address} nud reachable | grep -q ."
    wait = f"until {holds_probe(edge.address)} || {ask} || {arp}; do sleep 0.2; done"
    return (
        f"{{ timeout {seconds} sh -c {q(wait)} || {{ echo no edge holds {edge.address} after"
        f" {seconds} s; false; }}; }}"
    )
