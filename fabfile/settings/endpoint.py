"""The parts of a service file that say how the program is called: values and endpoints."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from msgspec import Meta, field

from .kinds import (
    Count,
    Duration,
    EndpointMethod,
    EndpointPath,
    HeaderName,
    OptionalBodySize,
    OptionalLine,
    OptionalMethod,
    Percent,
    Requirement,
    RetryWords,
    Share,
    Status,
    Word,
)
from .program import ServiceTable

PLACEHOLDER = re.compile(r"\{\w+\}")


class ValueRule(ServiceTable, frozen=True):
    """What `{NAME}` in a request stands for: a number, a text, or an id that our own requests
    created."""

    first: int = field(default=0, name="from")
    """The lowest number."""
    last: int = field(default=0, name="to")
    """The highest number."""
    discover_max: bool = False
    """Whether a site may hold fewer rows: the highest id is then found by bisection."""
    text: str = ""
    """A text. `{uuid}` in it is unique for each request; `{time}` is a past moment, to the second,
    that no other request of a run has."""
    one_of: tuple[str, ...] = ()
    """Texts, of which each request takes one."""
    created_by: str = ""
    """The endpoint whose answers contain the ids."""
    field: tuple[str, ...] = ("id",)
    """The keys of that answer that may hold the id."""
    greater_than_max_of: str = ""
    """A value whose highest number every created id must exceed: lower ids belong to users."""

    @property
    def is_number(self) -> bool:
        """Whether it is a whole number. At the balancer, another value matches up to a slash."""
        return bool(self.greater_than_max_of or not (self.text or self.one_of or self.created_by))


class CacheRule(ServiceTable, frozen=True):
    """How long the edge may cache an answer, in seconds since the request to the program."""

    ttl: Duration
    """Seconds for which the edge keeps an answer."""
    refresh_every: Duration
    """Seconds after which the edge asks for a new answer."""
    max_age: Duration
    """No user may get an answer that is older."""
    within_share: Share
    """The share of answers (0..1) that must be fast."""
    within_seconds: Annotated[float, Meta(ge=0)]
    """This share of the answers must come within so many seconds."""
    vary: tuple[HeaderName, ...] = ()
    """Headers that the answer depends on."""


class Expectation(ServiceTable, frozen=True):
    """What a right answer looks like."""

    status: tuple[Status, ...] = (200,)
    """Statuses that are right."""
    contains: str = ""
    """A text in the body; empty: any. `{NAME}` is the value of the request."""
    not_contains: str = ""
    """A text that the body must not contain; empty: none."""
    equals: str = ""
    """The whole body; empty: any."""
    absent: tuple[Status, ...] = ()
    """Statuses that are right, too: a user may have deleted the row."""
    repeated: tuple[Status, ...] = ()
    """Statuses of a request that was executed twice."""


class SampleRequest(ServiceTable, frozen=True):
    """A request as users send it. Texts may hold `{NAME}` of a value."""

    weight: Annotated[int, Meta(ge=0, le=1000)] = 0
    """Its share of the users' requests; 0: it is not among them."""
    method: OptionalMethod = ""
    """Default: that of the endpoint."""
    query: OptionalLine = ""
    """What follows the `?` in the URL."""
    body: str = ""
    """The body of the request."""
    headers: dict[HeaderName, str] = {}
    """Headers of the request, besides those of `[load]`."""
    slow_by_design: bool = False
    """Whether the answer itself takes its time: one that comes too fast was cached."""


class Endpoint(ServiceTable, frozen=True):
    """One call. It has its own backend at the balancer, and so its own figures."""

    name: Word
    """Names its backend, its row in reports and its graph."""
    path: EndpointPath
    """`{NAME}` stands for a value. At the balancer it matches any number, or for a value that is
    text, anything up to the next slash."""
    requirement: Requirement = ""
    """The requirement (R1-R22) that its row proves, if there is one."""
    method: EndpointMethod = "GET"
    """The method that users call it with; `*`: any."""
    timeout: Annotated[int, Meta(ge=0, le=3600)] = 0
    """Seconds until the balancer gives up; 0: the balancer's default."""
    retry: RetryWords = ""
    """When the balancer sends the request to another node: `connect` (it was not sent yet) or
    `lost` (no answer came), then statuses if needed; empty: the balancer's default."""
    idempotent: bool | None = None
    """Whether it may be executed twice. Default: true for GET and HEAD."""
    database: bool = False
    """Whether its answer comes from the database."""
    gate: bool = False
    """Whether the gate of a new release reads it."""
    never_cached: bool = False
    """Whether each answer must come from the program itself. `fab check` proves it."""
    serial: bool = False
    """Whether it is costly: the checks send it one at a time, and no p90 is asked of it."""
    max_staleness: Count = 0
    """Seconds by which the program's own cache may be behind. Nothing derives from it yet."""
    cache: CacheRule | None = None
    """How long the edge may keep its answers. Without it, none is kept."""
    stream: Literal["", "sse", "websocket", "poll"] = ""
    """Not supported yet."""
    sticky: OptionalLine = ""
    """Not supported yet."""
    body: OptionalBodySize = ""
    """The largest body of a request. Default: that of `[limits]`."""
    p90_ms: Count = 0
    """The bound of its p90, in milliseconds. Default: that of `[load]`."""
    errors_percent: Percent = 0.0
    """The share of its requests that may fail, in percent. Default: that of `[load]`."""
    expect: Expectation = Expectation()
    """What a right answer looks like."""
    sample: SampleRequest = SampleRequest()
    """The request that checks, drills and the gate send."""

    @property
    def id(self) -> str:
        """Its name in reports: the requirement if it has one."""
        return self.requirement or self.name

    @property
    def may_repeat(self) -> bool:
        """Whether a request may be executed twice: only then is it sent to a second node."""
        safe = self.request_method in ("GET", "HEAD", "OPTIONS")
        return safe if self.idempotent is None else self.idempotent

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
        return f"{self.request_method} {PLACEHOLDER.sub('{id}', self.path)}"

    @property
    def request_method(self) -> str:
        """The method of the sample request."""
        return self.sample.method or self.method
