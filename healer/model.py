"""What is seen and what is decided, as values."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple


class Ping(Enum):
    """How the app's health page answered."""

    OK = "answered 200"
    BUSY = "declined: too many requests"
    """Its limit of requests a second is reached; it is well."""
    WRONG = "answered wrongly"
    HUNG = "did not answer"
    REFUSED = "refused the connection"


ILL = (Ping.WRONG, Ping.HUNG, Ping.REFUSED)


class Observation(NamedTuple):
    """One look at the app, at `at` seconds of a clock that never jumps."""

    at: float
    active: bool
    """systemd holds its unit active: it had been ready, nobody is stopping or starting it."""
    pid: int = 0
    age: float = 0.0
    """Seconds since its process began."""
    rss: int = 0
    """Bytes."""
    ping: Ping = Ping.OK
    said: str = ""
    """The answer's status, or what kept it from us."""
    restarts: int = 0
    """How often systemd has started it by itself."""
    database: bool | None = None
    """Whether a database accepts connections; None when it was not asked, because the app
    answers."""


class Seen(NamedTuple):
    """A node as one balancer sees it."""

    status: str
    since: float
    """Seconds since that status began."""
    check: str
    """The last check's outcome: L7OK, L7STS, L7TOUT, L4CON …"""
    in_flight: int

    @property
    def up(self) -> bool:
        """It gets requests."""
        return self.status.startswith("UP")

    @property
    def drained(self) -> bool:
        """Somebody took it out of service."""
        return self.status.startswith(("DRAIN", "MAINT"))

    @property
    def alive(self) -> bool:
        """Something answers its port, if only wrongly or too late."""
        return self.check.startswith(("L7", "L6"))


class View(NamedTuple):
    """What one edge's balancer says."""

    edge: str
    nodes: Mapping[str, Seen]
    mine: bool = False
    """A healer has drained this node there."""
    kept_out: bool = False
    """A person or a deploy has."""


class Act(Enum):
    """What can be done."""

    NOTHING = "nothing"
    RESTART = "restart"
    """At once: it serves nobody anyway."""
    RECYCLE = "recycle"
    """Drained: nobody shall notice."""


class Decision(NamedTuple):
    """What to do, the cause for the counters, and one sentence that says why."""

    act: Act
    cause: str
    sentence: str


class Verdict(NamedTuple):
    """Whether a decision may be carried out now, and why (not)."""

    go: bool
    why: str
