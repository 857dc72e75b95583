"""Measure the clock offset of a host over ssh, and find the unit that keeps its clock right."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ..engine.link import Link

TRIES = 5
GOOD_SLACK_SECONDS = 0.02
"""An offset with at most this slack needs no further try."""

NOW_PROBE = "date +%s.%N"
KEEPER_PROBE = (
    'inside=$(systemd-detect-virt --container) && { echo "the machine it runs on ($inside)"; exit'
    " 0; }\nfor unit in systemd-timesyncd chrony chronyd ntpsec ntp; do\n  systemctl -q is-active"
    ' "$unit" && { echo "$unit"; exit 0; }\ndone\ntrue'
)
"""Read-only shell text that prints the running time service, or nothing. A container has no clock
of its own and prints the container technology."""


def measure_clock(link: Link) -> Clock:
    """The clock of `link`'s host, compared with the controller's clock.

    The host read its clock at some time during the round trip. So of several round trips the
    shortest bounds the offset most tightly.

    Raises:
        Unreachable: the host does not answer.
    """
    # This call also opens the connection, so the time for that is not measured below.
    keeper = link.read([KEEPER_PROBE])[0].out.strip()
    best = Clock(ahead=0.0, slack=float("inf"), keeper=keeper)
    for _ in range(TRIES):
        sent = time.time()
        host_time = float(link.read([NOW_PROBE])[0].out)
        half_trip = (time.time() - sent) / 2
        if half_trip < best.slack:
            best = Clock(ahead=host_time - sent - half_trip, slack=half_trip, keeper=keeper)
        if best.slack <= GOOD_SLACK_SECONDS:
            break
    return best


@dataclass(frozen=True)
class Clock:
    """How far a host's clock is ahead of the controller's clock, in seconds."""

    ahead: float
    slack: float
    """`ahead` is right within this many seconds."""
    keeper: str
    """The time service of the host; empty without one."""
