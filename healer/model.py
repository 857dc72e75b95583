"""The values that the healer observes and decides on."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple


class Ping(Enum):
    """How the app's health page answered."""

    OK = "answered 200"
    BUSY = "declined: too many requests"
    """The app is at its limit of requests per second; it is well."""
    WRONG = "answered wrongly"
    HUNG = "did not answer"
    REFUSED = "refused the connection"


ILL = (Ping.WRONG, Ping.HUNG, Ping.REFUSED)


class AppObservation(NamedTuple):
    """The state of the app at one moment."""

    at: float
    """Seconds of the monotonic clock."""
    active: bool
    """systemd reports the unit as active: it became ready, and is not being stopped or started."""
    pid: int = 0
    age: float = 0.0
    """Seconds since the process started."""
    rss: int = 0
    """Resident memory in bytes."""
    ping: Ping = Ping.OK
    detail: str = ""
    """The HTTP status, or the reason why there was no answer."""
    restarts: int = 0
    """How often systemd has restarted the unit after a crash."""
    database: bool | None = None
    """Whether a database accepts connections. None when it was not asked, because the app
    answers."""


class ServerState(NamedTuple):
    """A node's state in one balancer."""

    status: str
    """HAProxy's status: UP, DOWN, DRAIN, MAINT …"""
    status_age: float
    """Seconds since the status last changed."""
    check: str
    """Result of the last health check: L7OK, L7STS, L7TOUT, L4CON …"""
    in_flight: int

    @property
    def up(self) -> bool:
        """Whether the node gets requests."""
        return self.status.startswith("UP")

    @property
    def drained(self) -> bool:
        """Whether the node was taken out of service on purpose."""
        return self.status.startswith(("DRAIN", "MAINT"))

    @property
    def answers(self) -> bool:
        """Whether something answers on the node's port, even if wrongly or too late."""
        return self.check.startswith(("L7", "L6"))


class EdgeReport(NamedTuple):
    """The nodes as one edge's balancer sees them."""

    edge: str
    nodes: Mapping[str, ServerState]
    drained_by_healer: bool = False
    """A healer has drained this node at this edge."""
    kept_out: bool = False
    """A person or a deploy keeps this node out of service at this edge."""


class Act(Enum):
    """What the healer can do."""

    NOTHING = "nothing"
    RESTART = "restart"
    """Restart at once: the app serves nobody, or not for long."""
    RECYCLE = "recycle"
    """Drain first, then restart: users do not notice."""


class Decision(NamedTuple):
    """What to do, the cause for the counters, and one sentence with the reason."""

    act: Act
    cause: str
    sentence: str


class Permission(NamedTuple):
    """Whether a decision may be carried out now, and why or why not."""

    granted: bool
    reason: str
