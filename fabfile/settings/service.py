"""The description of a program as data: its endpoints, health, limits, values and faults.

Everything else derives from one `Service` value, so another program needs no other code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PLACEHOLDER = re.compile(r"\{\w+\}")


@dataclass(frozen=True)
class Start:
    """How long a process lives, and what it may use. Times in seconds."""

    memory_max: str
    lifetime: int
    """Age at which the healer drains and restarts the process, before the process dies; 0:
    never."""


@dataclass(frozen=True)
class Health:
    """The answers of the program when it is healthy, at its limit, ill, or without its database."""

    path: str
    equals: str
    """The whole body of a healthy answer."""
    busy: int
    """Status at its limit: the process refuses the request, but is healthy."""
    ill_status: int
    ill_body: str
    """The body of every answer of an ill process, with `ill_status`."""
    database_path: str
    """The cheapest call that needs the database, but no data in it."""
    database_unavailable: int
    """Status of every call that needs the database while the database is down."""
    status: int = 200


@dataclass(frozen=True)
class Limits:
    """The limits of one node."""

    allowed: int
    """Requests per second above which the program refuses requests."""
    rate: int
    """Requests per second that the balancer sends. Checks and retries are added to these."""
    in_flight: int
    """Requests in flight at one endpoint."""


@dataclass(frozen=True)
class PromisedLoad:
    """The load that the service must carry: requests per second for one minute (`peak`) and without
    end (`steady`), the p90 of the answers, and the share that may fail."""

    peak: float
    steady: float
    p90_ms: int
    errors_percent: float


@dataclass(frozen=True)
class Value:
    """The numbers for a request: `{name}` in a path stands for one of `first` to `last`."""

    name: str
    first: int
    last: int


@dataclass(frozen=True)
class CacheRule:
    """How long the edge may cache an answer, in seconds since the request to the program."""

    ttl: int
    refresh_every: int
    max_age: int
    """No user may get an answer that is older."""
    within_share: float
    within_seconds: float
    """This share of the answers must come within so many seconds."""


@dataclass(frozen=True)
class Endpoint:
    """One call. It has its own backend at the balancer, and so its own figures."""

    name: str
    path: str
    """`{name}` stands for a value. At the balancer it matches any number."""
    kind: str
    """`health`, `operation`, `database` (needs it, but no data), `cached`, `read` (one row),
    `list`, `create`, `delete` or `other`."""
    requirement: str = ""
    method: str = "GET"
    """The method that users call it with."""
    timeout: int = 0
    """Seconds until the balancer gives up; 0: the balancer's default."""
    retry: str = ""
    """When the balancer sends the request to another node: `connect` (it was not sent yet) or
    `lost` (no answer came), then statuses if needed; empty: the balancer's default."""
    database: bool = False
    """Whether its answer comes from the database."""
    absent: bool = False
    """Whether 404 is a good answer: a user may have deleted the row."""
    cache: CacheRule | None = None
    weight: int = 0
    """Its share of the users' requests in a drill."""
    errors_percent: float = 1.0

    @property
    def value(self) -> str:
        """The name of the value in its path; empty without one."""
        found = PLACEHOLDER.search(self.path)
        return found.group()[1:-1] if found else ""

    @property
    def prefix(self) -> str:
        """Its path before the value."""
        return PLACEHOLDER.split(self.path)[0]

    @property
    def title(self) -> str:
        """The call as people write it, like `GET /things/{id}`."""
        return f"{self.method} {PLACEHOLDER.sub('{id}', self.path)}"

    def fill_path(self, number: int) -> str:
        """The path for one row."""
        return PLACEHOLDER.sub(str(number), self.path)


@dataclass(frozen=True)
class FaultCall:
    """A request that makes its process fail. Drills send it on the node itself."""

    name: str
    body: str


@dataclass(frozen=True)
class Service:
    """A whole program. The order of the endpoints counts: the first that matches wins."""

    name: str
    """Of the binary, the unit, the user and the database."""
    start: Start
    health: Health
    limits: Limits
    load: PromisedLoad
    values: tuple[Value, ...]
    endpoints: tuple[Endpoint, ...]
    indexes: tuple[str, ...] = ()
    """Statements as `pg_get_indexdef` prints them."""
    faults: tuple[FaultCall, ...] = ()

    def find_value(self, name: str) -> Value:
        """The value called `name`.

        Raises:
            KeyError: there is none.
        """
        return {value.name: value for value in self.values}[name]

    def find_fault(self, name: str) -> FaultCall:
        """The fault called `name`.

        Raises:
            KeyError: there is none.
        """
        return {fault.name: fault for fault in self.faults}[name]

    def of_kind(self, kind: str) -> tuple[Endpoint, ...]:
        """All endpoints of a kind, in order."""
        return tuple(endpoint for endpoint in self.endpoints if endpoint.kind == kind)

    def single_of_kind(self, kind: str) -> Endpoint:
        """The endpoint of a kind that has exactly one endpoint.

        Raises:
            ValueError: there is none, or more.
        """
        (found,) = self.of_kind(kind)
        return found

    @property
    def cache(self) -> CacheRule:
        """The rule of the endpoint that the edge keeps answers of.

        Raises:
            ValueError: no endpoint has one, or more.
        """
        (found,) = [endpoint.cache for endpoint in self.endpoints if endpoint.cache]
        return found

    @property
    def by_requirement(self) -> dict[str, Endpoint]:
        """The endpoints by requirement, in the requirements' order."""
        named = [endpoint for endpoint in self.endpoints if endpoint.requirement]
        ordered = sorted(named, key=lambda endpoint: int(endpoint.requirement[1:]))
        return {endpoint.requirement: endpoint for endpoint in ordered}

    @property
    def uncached_by_requirement(self) -> dict[str, Endpoint]:
        """The endpoints without a cache, by requirement. At the balancer, all their requests come
        from users; those of a cached endpoint also come from the refresher."""
        return {id: endpoint for id, endpoint in self.by_requirement.items() if not endpoint.cache}
