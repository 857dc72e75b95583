"""A program as data: the value of a service file, `services/NAME/service.toml`.

Everything else derives from one `Service` value, so another program needs no other code.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from .endpoint import CacheRule, Endpoint, ValueRule
from .kinds import (
    BodySize,
    Count,
    HeaderName,
    Line,
    Method,
    Positive,
    Status,
    UrlPath,
    Word,
)
from .load import PromisedLoad
from .program import (
    ClientAddress,
    ConfigFile,
    DatabaseNeeds,
    KeptDirectory,
    Listen,
    LogRule,
    NodeState,
    ProgramNames,
    SecretRule,
    ServiceTable,
    SettingRule,
    Start,
)
from .rehearsal import FaultCall, LabBinaries

ROW_ORDER = (
    ("operation", "database", "read", "other"),
    ("list",),
    ("create", "delete"),
    ("cached",),
    ("health",),
)
"""The kinds of endpoints in the order in which reports show them."""


class HealthPage(ServiceTable, frozen=True):
    """A request that asks how a process is, and what the right answer to it looks like."""

    path: UrlPath
    """The path of the request, with its query."""
    method: Method = "GET"
    """The method of the request."""
    headers: dict[HeaderName, str] = {}
    """The headers of the request, as plain texts: no variables."""
    content: str = ""
    """The body of the request."""
    status: tuple[Status, ...] = (200,)
    """Statuses of a right answer."""
    equals: str = ""
    """The whole body of a right answer; empty: any."""
    body: str = ""
    """A text in the body of a right answer; empty: any."""
    not_contains: str = ""
    """A text that no right answer contains; empty: none."""
    unavailable: tuple[Status, ...] = (500,)
    """Statuses of every call that needs the database while the database is down."""
    seconds: Annotated[float, Meta(ge=0.1, le=60)] = 1.0
    """The longest time for an answer."""


class IllAnswer(ServiceTable, frozen=True):
    """The answer of an ill process to everything."""

    status: Status
    """Its status."""
    body: Line
    """A text in its body."""


class Health(ServiceTable, frozen=True):
    """Two questions: is this process healthy (`live`), and does the cheapest call that needs the
    database work (`database`)? `live` must not need the database: a database that is down would
    take every node out of service."""

    live: HealthPage
    """Is this process healthy?"""
    database: HealthPage | None = None
    """Does the cheapest call that needs the database work?"""
    busy: tuple[Status, ...] = (503,)
    """Statuses at its limit: the process refuses the request, but is healthy."""
    ill: IllAnswer | None = None
    """The answer of an ill process, if it has one."""


class Limits(ServiceTable, frozen=True):
    """The limits of one node."""

    rate: Count = 0
    """Requests per second that the balancer sends; 0: no bound. Checks and retries are added."""
    in_flight: Positive = 16
    """Requests in flight at one endpoint."""
    body: BodySize = "64k"
    """The largest body of a request, as nginx writes sizes."""
    header: BodySize = "8k"
    """The largest header of a request, as nginx writes sizes."""


class Service(ServiceTable, frozen=True):
    """A whole program. The order of the endpoints counts: the first that matches wins."""

    format: Positive
    """The version of this schema: 1. A newer file is refused."""
    title: Line
    """What people call the program."""
    program: ProgramNames
    """Its names, and what it needs of Debian."""
    health: Health
    """How its health is asked."""
    settings: dict[Word, SettingRule] = field(default_factory=dict, name="setting")
    """Values that each site gives."""
    secrets: dict[Word, SecretRule] = field(default_factory=dict, name="secret")
    """Random values that are made for each site."""
    start: Start = Start()
    """How a process starts and ends."""
    listen: Listen | None = None
    """Where it listens. Default: as discovered."""
    files: tuple[ConfigFile, ...] = field(default=(), name="file")
    """Files that it reads."""
    directories: tuple[KeptDirectory, ...] = field(default=(), name="directory")
    """Folders that it writes to. Default: as discovered."""
    log: LogRule | None = None
    """Where it logs. Default: as discovered."""
    limits: Limits = Limits()
    """The limits of one node."""
    clients: ClientAddress = ClientAddress()
    """How it learns the address of a client."""
    nodes: NodeState = NodeState()
    """What a node keeps for itself."""
    database: DatabaseNeeds | None = None
    """What it needs of PostgreSQL. Without this table it gets no database."""
    load: PromisedLoad = PromisedLoad()
    """The load that it must carry."""
    values: dict[Word, ValueRule] = field(default_factory=dict, name="value")
    """What `{NAME}` in a request stands for."""
    endpoints: tuple[Endpoint, ...] = field(default=(), name="endpoint")
    """Its calls. The first that matches a request wins."""
    faults: dict[Word, FaultCall] = field(default_factory=dict, name="fault")
    """Requests that make it fail. A drill whose fault is missing is not tried."""
    lab: LabBinaries = LabBinaries()
    """How the lab gets the binary."""

    @property
    def name(self) -> str:
        """Of the binary, the unit and the database."""
        return self.program.name

    @property
    def indexes(self) -> tuple[str, ...]:
        """The statements of the indexes."""
        return tuple(rule.sql for rule in self.database.indexes) if self.database else ()

    def find_kind(self, endpoint: Endpoint) -> str:
        """What the endpoint is for: `health`, `database` (the cheapest call that needs it),
        `cached`, `list`, `create`, `delete`, `read` (one row), `operation` (a sample request that
        needs no database) or `other`."""
        page = self.health.database
        value = self.values.get(endpoint.value, ValueRule())
        if endpoint.path == self.health.live.path:
            return "health"
        if page and (endpoint.path, endpoint.method) == (page.path, page.method):
            return "database"
        if endpoint.cache:
            return "cached"
        if endpoint.serial:
            return "list"
        if endpoint.name in {rule.created_by for rule in self.values.values()}:
            return "create"
        if value.created_by and endpoint.method == "DELETE":
            return "delete"
        if endpoint.value and endpoint.method == "GET":
            return "read"
        return "operation" if endpoint.sample.weight else "other"

    def of_kind(self, kind: str) -> tuple[Endpoint, ...]:
        """All endpoints of a kind, in order."""
        return tuple(found for found in self.endpoints if self.find_kind(found) == kind)

    @property
    def caches(self) -> tuple[CacheRule, ...]:
        """The rules of all endpoints whose answers the edge may cache."""
        return tuple(endpoint.cache for endpoint in self.endpoints if endpoint.cache)

    def error_share(self, endpoint: Endpoint) -> float:
        """The share of its requests (0..1) that may fail."""
        return (endpoint.errors_percent or self.load.errors_percent) / 100

    def latency_bound(self, endpoint: Endpoint) -> float:
        """Seconds that the p90 of its answers must stay below at the peak load."""
        return (endpoint.p90_ms or self.load.p90_ms) / 1000

    @property
    def measured(self) -> tuple[Endpoint, ...]:
        """The endpoints that are measured, in the order of reports: kinds as in ROW_ORDER, and the
        file's order within them. The others have no requirement and no sample request."""
        kept = [
            endpoint
            for endpoint in self.endpoints
            if endpoint.requirement
            or endpoint.sample.weight
            or self.find_kind(endpoint) in ("cached", "health", "list")
        ]
        places = {kind: place for place, kinds in enumerate(ROW_ORDER) for kind in kinds}
        return tuple(sorted(kept, key=lambda endpoint: places[self.find_kind(endpoint)]))

    @property
    def by_id(self) -> dict[str, Endpoint]:
        """The measured endpoints by id, in the order of reports."""
        return {endpoint.id: endpoint for endpoint in self.measured}

    @property
    def uncached_by_id(self) -> dict[str, Endpoint]:
        """The endpoints without a cache, by id. At the balancer, all their requests come
        from users; those of a cached endpoint also come from the refresher."""
        return {id: endpoint for id, endpoint in self.by_id.items() if not endpoint.cache}
