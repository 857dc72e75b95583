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
        asked = time.time()
        shown = float(link.read([NOW_PROBE])[0].out)
        offset = offset_of(shown, asked, time.time())
        if offset.slack < best.slack:
            best = Clock(offset.ahead, offset.slack, keeper)
        if best.slack <= GOOD_SLACK_SECONDS:
            break
    return best


@dataclass(frozen=True)
class ClockOffset:
    """How far a host's clock is ahead of the controller's clock, in seconds."""

    ahead: float
    slack: float
    """`ahead` is right within this many seconds."""

    @property
    def certain(self) -> float:
        """The least that the clock is off, in seconds, ahead or behind."""
        return max(0.0, abs(self.ahead) - self.slack)

    @property
    def possible(self) -> float:
        """The most that the clock may be off, in seconds, ahead or behind."""
        return abs(self.ahead) + self.slack

    def describe(self) -> str:
        """`its clock is 60 s ahead of this machine's`."""
        word = "ahead of" if self.ahead > 0 else "behind"
        return f"its clock is {abs(self.ahead):.0f} s {word} this machine's"


@dataclass(frozen=True)
class Clock(ClockOffset):
    """An offset, and what keeps the clock right."""

    keeper: str
    """The time service of the host; empty without one."""


def offset_of(shown: float, asked: float, answered: float) -> ClockOffset:
    """The offset of a clock that showed `shown` at an unknown moment of a round trip. Pure.

    All three are in seconds since 1970; the other two by the controller's clock.
    """
    slack = (answered - asked) / 2
    return ClockOffset(shown - asked - slack, slack)
