"""Compare the clock of a host with the clock of this machine, in the session of `fab status`."""

from __future__ import annotations

from ..control.clocks import ClockOffset, offset_of
from ..engine.problem import Problem
from ..settings.bounds import CLOCK_SECONDS


def read_offset(host_time: str, asked: float, answered: float) -> ClockOffset | None:
    """Return the offset of a clock that showed `host_time` between the two moments; None if it
    showed nothing. Pure."""
    try:
        return offset_of(float(host_time), asked, answered)
    except ValueError:
        return None


def find_clock_problems(offset: ClockOffset | None) -> list[Problem]:
    """Return a problem if the clock is wrong for certain. Pure."""
    if offset is None or offset.certain < CLOCK_SECONDS:
        return []
    return [Problem(offset.describe(), "fab runbook clock", down=False, incident="clock")]
