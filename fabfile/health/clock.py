"""A host's clock against this machine's, from the one session that `fab status` has."""

from __future__ import annotations

from dataclasses import dataclass

from ..engine.problem import Problem

MOST_SECONDS = 4.0
"""A clock further off makes cached answers too old: their rule allows for 4 s."""


@dataclass(frozen=True)
class ClockOffset:
    """How far a host's clock is ahead, in seconds, and how far that may be wrong."""

    ahead: float
    slack: float

    @property
    def certain(self) -> float:
        """Seconds that it is off at least."""
        return max(0.0, abs(self.ahead) - self.slack)


def read_offset(host_time: str, asked: float, answered: float) -> ClockOffset | None:
    """Return the offset of a clock that showed `host_time` between the two moments; None if it
    showed nothing. Pure."""
    try:
        shown = float(host_time)
    except ValueError:
        return None
    slack = (answered - asked) / 2
    return ClockOffset(shown - asked - slack, slack)


def find_clock_problems(offset: ClockOffset | None) -> list[Problem]:
    """Return a problem if the clock is wrong for certain. Pure."""
    if offset is None or offset.certain <= MOST_SECONDS:
        return []
    word = "ahead of" if offset.ahead > 0 else "behind"
    message = f"its clock is {abs(offset.ahead):.0f} s {word} this machine's"
    return [Problem(message, "fab runbook clock", down=False)]
