"""What is kept of one request."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol


class Sample(NamedTuple):
    """One request of a phase; all times in seconds from the phase's first intended request.

    `intended`: when it was scheduled. `woke`: when the generator handled it (the difference is the
    generator lag). `sent`: when a connection was free. `done`: when the answer was complete or the
    request timed out.
    """

    endpoint: str
    intended: float
    woke: float
    sent: float
    done: float
    status: int = 0
    error: str = ""
    mark: str = ""
    arm: str = ""

    @property
    def ok(self) -> bool:
        """Whether the answer was the right one."""
        return not self.error

    @property
    def latency(self) -> float:
        """Seconds from the *intended* time, so that a stall counts for every request that was due
        in it.

        Infinite for a failure, so that a fast 500 improves no percentile.
        """
        return self.done - self.intended if self.ok else math.inf

    @property
    def lag(self) -> float:
        """How late the load generator was, in seconds."""
        return self.woke - self.intended


class Watch(Protocol):
    """An observer of a run, as a progress display."""

    def phase(self, title: str, total: int) -> None:
        """A phase begins; it will make about `total` requests (0: not known)."""
        ...

    def saw(self, sample: Sample) -> None:
        """One request has ended."""
        ...
