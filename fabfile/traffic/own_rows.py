"""R12 and R13: sessions that the check creates and deletes. Users' sessions are never touched.

Each session of a run has its own start time. So a session whose creation got no answer can be
recognised among users' sessions afterwards (`clean_up.py`).
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from ..settings.bingo import SERVICE
from .calls import Range, plain_call
from .client import Request, Response

CREATE = SERVICE.single_of_kind("create")
DELETE = SERVICE.single_of_kind("delete")
USERS_ROW = SERVICE.values[DELETE.value].greater_than_max_of
READ = next(read for read in SERVICE.of_kind("read") if read.value == USERS_ROW)
"""How the rows that users create and delete are read."""

LATEST = datetime(2023, 11, 21, 15, 37, tzinfo=UTC)
"""An example's start time in the original specification; ours lie in the ten years before it."""
YEARS = 10 * 365 * 86400

ID_KEYS = ("id", "session_id", "sessionid")
WRAPPERS = ("session", "data", "result", "item")


class Session(NamedTuple):
    """The content of a session; `start` is RFC 3339 in UTC, to the second."""

    start: str
    customer: int
    movie: int

    def create_request(self) -> Request:
        """R12: the request that creates it."""
        body = {"start_time": self.start, "customer_id": self.customer, "movie_id": self.movie}
        return plain_call(CREATE)._replace(body=json.dumps(body).encode())


def id_in(answer: Response) -> int | None:
    """The new session's id in a POST's answer: a `Location`, a bare number, or an id at the top or
    in a plain wrapper.

    An id deeper inside may belong to a movie or a customer, so it is ignored.
    """
    last = answer.headers.get("Location", "").rstrip("/").rpartition("/")[2]
    if last.isdecimal():
        return int(last)
    try:
        value = json.loads(answer.head)
    except ValueError:
        return None
    return _id_of(value, wrapped=False)


def _id_of(value: Any, *, wrapped: bool) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    if not isinstance(value, Mapping):
        return None
    low = {str(key).lower(): inner for key, inner in value.items()}
    for key in ID_KEYS:
        if isinstance(low.get(key), int | str):
            return _id_of(low[key], wrapped=True)
    if not wrapped:
        for key in WRAPPERS:
            if isinstance(low.get(key), Mapping | int):
                return _id_of(low[key], wrapped=True)
    return None


def session_in(value: Any) -> Session | None:
    """Parse a row (also in a plain wrapper, also with PostgreSQL's form of times) as a session;
    None if it has another shape."""
    for inner in (
        (value, *(value.get(key) for key in WRAPPERS)) if isinstance(value, Mapping) else ()
    ):
        if not isinstance(inner, Mapping):
            continue
        low = {str(key).lower().replace("_", ""): part for key, part in inner.items()}
        customer, movie = _reference(low, "customer"), _reference(low, "movie")
        start = str(low.get("starttime", ""))[:19].replace(" ", "T")
        if customer and movie and start:
            return Session(f"{start}Z", customer, movie)
    return None


def customer_and_movie(row: Mapping[str, Any]) -> tuple[int, int] | None:
    """The ids of a session's customer and movie; None if the row does not contain them."""
    low = {str(key).lower().replace("_", ""): value for key, value in row.items()}
    customer, movie = _reference(low, "customer"), _reference(low, "movie")
    return (customer, movie) if customer and movie else None


def _reference(low: Mapping[str, Any], kind: str) -> int | None:
    inner = low.get(kind)
    value = low.get(f"{kind}id", inner.get("id") if isinstance(inner, Mapping) else None)
    return value if isinstance(value, int) else None


@dataclass
class OwnRows:
    """The sessions that the check has created and not yet deleted.

    `open`: their ids, where known. `unanswered`: by start time, the sessions that may exist,
    because the answer to their creation never came, was an error, or had no id that is surely ours.
    `lowest`: our lowest id. `refusal`: why no more sessions are created; empty if they are.
    """

    sessions: Range
    customers: Range
    movies: Range
    rng: random.Random
    open: set[int] = field(default_factory=set)
    unanswered: dict[str, Session] = field(default_factory=dict)
    lowest: int | None = None
    refusal: str = ""
    _next: datetime = field(init=False)

    def __post_init__(self) -> None:
        self._next = LATEST - timedelta(seconds=self.rng.randrange(YEARS // 2, YEARS))
        if not self.sessions.known:
            self.refusal = "which sessions existed before is unknown, so the check creates none"

    @property
    def lost(self) -> int:
        """How many sessions may exist whose id is unknown."""
        return len(self.unanswered)

    def post(self, customer: int = 0, movie: int = 0) -> Request:
        """R12: a request for a new session; customer and movie are random where 0. From now on the
        session may exist."""
        start, self._next = f"{self._next:%Y-%m-%dT%H:%M:%SZ}", self._next + timedelta(seconds=1)
        customer = customer or self.rng.randint(1, self.customers.top)
        session = Session(start, customer, movie or self.rng.randint(1, self.movies.top))
        self.unanswered[start] = session
        return session.create_request()

    def posted(self, request: Request, answer: Response) -> int | None:
        """Record the session that a POST created and return its id; None if no id came back that is
        surely ours."""
        start = json.loads(request.body or b"")["start_time"]
        if answer.error:
            # Only a 4xx means "not created"; after any other error the session may exist.
            if 400 <= answer.status < 500:
                self.unanswered.pop(start, None)
            return None
        number = id_in(answer)
        if number is None:
            self.refusal = (
                f"the answer to {CREATE.title} has no id, so the check cannot recognise its own"
                " sessions"
            )
        elif number <= self.sessions.top:
            self.refusal = (
                f"{CREATE.title} answered id {number}, which existed before; it may be a user's"
            )
        elif number in self.open:
            self.refusal = f"{CREATE.title} answered id {number} twice"
        else:
            self.found(start, number)
            return number
        return None

    def found(self, start: str, number: int) -> None:
        """Record that our session with this start time has this id."""
        self.unanswered.pop(start, None)
        self.open.add(number)
        self.lowest = min(number, self.lowest or number)

    def delete(self, number: int) -> Request:
        """R13, for a session of our own only.

        Raises:
            ValueError: it is not ours.
        """
        if number not in self.open:
            raise ValueError(f"session {number} was not created by this check")
        return Request(DELETE.requirement, DELETE.method, DELETE.fill_path(number))

    def deleted(self, number: int, answer: Response) -> None:
        """Record that a session was deleted, or that it no longer exists (404)."""
        if not answer.error or answer.status == 404:
            self.open.discard(number)
