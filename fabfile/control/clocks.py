"""A host's clock against this machine's, over ssh, and who keeps it right."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ..engine.link import Link

TRIES = 5
GOOD = 0.02
"""Seconds: an answer that quick needs no better one."""

NOW = "date +%s.%N"
KEEPER = (
    'inside=$(systemd-detect-virt --container) && { echo "the machine it runs on ($inside)"; exit'
    " 0; }\nfor unit in systemd-timesyncd chrony chronyd ntpsec ntp; do\n  systemctl -q is-active"
    ' "$unit" && { echo "$unit"; exit 0; }\ndone\ntrue'
)
"""Read-only shell text: a container has no clock of its own; else the unit that sets it, or
nothing."""


def against_ours(link: Link) -> Clock:
    """The quickest of some answers tells best: what it says was so between its question and its
    coming in.

    Raises:
        Unreachable: the host does not answer.
    """
    keeper = link.read([KEEPER])[
        0
    ].out.strip()  # also opens the connection, whose time must not count
    best = Clock(0.0, float("inf"), keeper)
    for _ in range(TRIES):
        asked = time.time()
        told = float(link.read([NOW])[0].out)
        slack = (time.time() - asked) / 2
        if slack < best.slack:
            best = Clock(told - asked - slack, slack, keeper)
        if best.slack <= GOOD:
            break
    return best


@dataclass(frozen=True)
class Clock:
    """How far a host's clock is ahead of this machine's, and how far that may be off, in seconds;
    and who keeps it right.

    `keeper` is empty when nobody does.
    """

    ahead: float
    slack: float
    keeper: str
