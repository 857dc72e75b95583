"""Compare the clock of a host with the clock of this machine, in the session of `fab status`."""

from __future__ import annotations

from dataclasses import dataclass

from ..engine.problem import Problem
from ..settings.bounds import CLOCK_SECONDS


@dataclass(frozen=True)
class ClockOffset:
    """How many seconds the clock of a host is ahead, and the error of that figure."""

    ahead: float
    slack: float

    @property
    def certain(self) -> float:
        """The offset in seconds that is certain: without the error."""
        return max(0.0, abs(self.ahead) - self.slack)


def read_offset(host_time: str, asked: float, answered: float) -> ClockOffset | None:
    """Return the offset of a clock that showed `host_time` between the two moments; None if it
    showed nothing. Pure."""
    try:
        shown = float(host_time)
    except ValueError:
        return None
    # The host read its clock at an unknown moment of the round trip; assume the middle.
    slack = (answered - asked) / 2
    return ClockOffset(shown - asked - slack, slack)


def find_clock_problems(offset: ClockOffset | None) -> list[Problem]:
    """Return a problem if the clock is wrong for certain. Pure."""
    if offset is None or offset.certain < CLOCK_SECONDS:
        return []
    word = "ahead of" if offset.ahead > 0 else "behind"
    message = f"its clock is {abs(offset.ahead):.0f} s {word} this machine's"
    return [Problem(message, "fab runbook clock", down=False)]
