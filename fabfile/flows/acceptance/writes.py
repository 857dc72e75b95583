"""R12 and R13: sessions made by the check and deleted again. They are user data: none but our own is ever touched."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .targets import Range
from .wire import Answer, Call, Wire

START_TIME = "2023-11-21T15:37:00Z"
ID_KEYS = ("id", "session_id", "sessionid")
WRAPPERS = ("session", "data", "result", "item")

CLEAN_UP = 15.0
"""Seconds for deleting what a run that was interrupted has left."""


def new_session(customer: int, movie: int) -> Call:
    """R12."""
    body = {"start_time": START_TIME, "customer_id": customer, "movie_id": movie}
    return Call("R12", "POST", "/api/session", json.dumps(body).encode())


def id_in(answer: Answer) -> int | None:
    """The new session's id in a POST's answer: a `Location`, a bare number, or an id at the top or in a plain wrapper.

    An id deeper inside may be a movie's or a customer's, so it is not looked for.
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


@dataclass
class Ledger:
    """Which sessions the check has made and not yet deleted, and why it may not delete (`refusal`), if so."""

    sessions: Range
    customers: Range
    movies: Range
    rng: random.Random
    open: set[int] = field(default_factory=set)
    made: int = 0
    lost: int = 0
    refusal: str = ""

    def post(self) -> Call:
        """A new session of some customer and some movie."""
        return new_session(self.rng.randint(1, self.customers.top), self.rng.randint(1, self.movies.top))

    def posted(self, answer: Answer) -> int | None:
        """Take down what a POST has made; None when no id that is surely ours came back."""
        if answer.error:
            # It may have been made all the same; nobody told its number.
            self.lost += not answer.status
            return None
        self.made += 1
        number = id_in(answer)
        if number is None:
            self.refusal = "the answer to POST /api/session names no id, so the check cannot know its own sessions"
        elif not self.sessions.known:
            self.refusal = "which sessions existed before could not be found out, so the check deletes none"
        elif number <= self.sessions.top:
            self.refusal = f"POST /api/session answered id {number}, which existed before; it may be a user's"
        elif number in self.open:
            self.refusal = f"POST /api/session answered id {number} twice"
        else:
            self.open.add(number)
            return number
        self.lost += 1
        return None

    def delete(self, number: int) -> Call:
        """R13, for a session of our own only.

        Raises:
            ValueError: it is not ours.
        """
        if number not in self.open:
            raise ValueError(f"session {number} was not made by this check")
        return Call("R13", "DELETE", f"/api/session/{number}")

    def deleted(self, number: int, answer: Answer) -> None:
        """Strike out what a DELETE has removed (or what turned out to be gone)."""
        if not answer.error or answer.status == 404:
            self.open.discard(number)

    async def clean_up(self, wire: Wire) -> None:
        """Delete what is still there, one try each, for at most CLEAN_UP seconds."""
        end = asyncio.get_running_loop().time() + CLEAN_UP
        for number in sorted(self.open):
            left = end - asyncio.get_running_loop().time()
            if left <= 0:
                return
            self.deleted(number, await wire.ask(self.delete(number), timeout=left))
