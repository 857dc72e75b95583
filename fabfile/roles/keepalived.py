"""The role of keepalived on an edge: one edge holds the floating address, and can hand it over
without breaking a connection."""

from __future__ import annotations

from ..control.edge_drain import EDGE_DRAINED
from ..control.haproxy import EDGE_HEALTH, check_command
from ..control.keepalived import HANDOVER_TOOL, INTERFACE, KEEPALIVED_UNIT, holds_probe
from ..engine.host import Node
from ..engine.shell import q
from ..engine.step import Step
from ..settings.edge import Edge
from ..settings.paths import CURL, TOOLS
from ..settings.settings import Settings
from ..settings.template import render_template
from ..steps.account import Account
from ..steps.file import Directory, File
from ..steps.leftovers import NoLeftoverHandover
from ..steps.package import Packages
from ..steps.unit import Unit

CHECKER = "keepalived_script"
"""The user that the health check runs as."""
REACH = f"{TOOLS}/edge-reach"
"""The script that checks that this edge is not cut off from the network."""
CHECK = "sed 's/script_user .*/script_user root/' {} >{}.root && keepalived -t -f {}.root"
"""Shell command that lets keepalived check a new configuration. The script user is root in the
checked copy: with another user, keepalived 2.2.7 (Debian 12) ends its check with SIGTERM
(keepalived issue 2587)."""


def keepalived_steps(settings: Settings, node: Node) -> list[Step]:
    """The whole role, for a site with a floating address."""
    drop_in = f"/etc/systemd/system/{KEEPALIVED_UNIT}.d"
    restart = (f"restart:{KEEPALIVED_UNIT}",)
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
            # The configuration includes the file that this script writes.
            validate=f"{interface} {node.address} && {CHECK}",
            notify=(f"reload:{KEEPALIVED_UNIT}",),
        ),
        Unit(
            KEEPALIVED_UNIT,
            ready=_wait_for_holder(settings.edge),
        ),
        NoLeftoverHandover(settings.edge.address),
    ]


def keepalived_config(settings: Settings, node: Node) -> str:
    """The text of keepalived.conf on `node`."""
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


def _wait_for_holder(edge: Edge, seconds: int = 15) -> str:
    """Shell command that waits until an edge holds the floating address; it fails after `seconds`.

    A host that boots waits 1 s before it claims the address.
    """
    # Another edge that holds the address answers a request. If a firewall closes the edges' ports
    # to each other, the ARP entry still shows that some host has the address.
    request = (
        f"{CURL}{edge.address} -s -o /dev/null --max-time 1"
        f" http://{edge.address}:{edge.port}{EDGE_HEALTH}"
    )
    arp = f"ip -4 neighbour show to {edge.address} nud reachable | grep -q ."
    wait = f"until {holds_probe(edge.address)} || {request} || {arp}; do sleep 0.2; done"
    return (
        f"{{ timeout {seconds} sh -c {q(wait)} || {{ echo no edge holds {edge.address} after"
        f" {seconds} s; false; }}; }}"
    )
