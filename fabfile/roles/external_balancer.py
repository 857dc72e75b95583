"""The role of an edge behind a balancer of the provider: how users leave it. The roles of nginx and
HAProxy answer the balancer."""

from __future__ import annotations

from ..control.external_balancer import (
    LEAVE_TOOL,
    PROBE_TAG,
    PROBES_WATCHED,
    list_user_ports,
)
from ..control.keepalived import HANDOVER_TOOL, KEEPALIVED_UNIT
from ..engine.step import Step
from ..settings.paths import TOOLS
from ..settings.settings import Settings
from ..settings.template import render_template
from ..steps.file import File
from ..steps.leftover_units import LeftoverUnit, NoLeftoverUnits
from ..steps.leftovers import NoLeftoverDeparture
from ..steps.package import Packages

DROP_IN = f"/etc/systemd/system/{KEEPALIVED_UNIT}.d"
FLOATING = LeftoverUnit(
    KEEPALIVED_UNIT,
    f"{DROP_IN}/hardening.conf",
    (
        f"{DROP_IN}/start.conf",
        "/etc/keepalived/keepalived.conf",
        HANDOVER_TOOL,
        f"{TOOLS}/edge-interface",
        f"{TOOLS}/edge-reach",
    ),
    "keepalived",
)
"""What an edge has that once held a floating address."""


def external_balancer_steps(settings: Settings) -> list[Step]:
    """The whole role."""
    tool = render_template(
        "balancer/edge-leave",
        watched=PROBES_WATCHED,
        tag=PROBE_TAG,
        ports=list_user_ports(settings.edge),
    )
    return [
        Packages(("iproute2", "procps")),
        File(LEAVE_TOOL, tool, mode=0o755, validate="sh -n {}"),
        NoLeftoverUnits("floating address", (FLOATING,)),
        NoLeftoverDeparture(PROBES_WATCHED),
    ]
