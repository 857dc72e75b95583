"""What can be asked: the endpoints by requirement, and which ids exist."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass

from ..settings.bingo import SERVICE
from ..settings.service import Endpoint
from .client import Client, Request, Response
from .retry import Keep, ask_alone, no_answer

LISTS = {endpoint.requirement: endpoint for endpoint in SERVICE.of_kind("list")}
SINGLE = {endpoint.requirement: endpoint for endpoint in SERVICE.of_kind("read")}
"""The calls for one row, by requirement."""

SMALL = SERVICE.find_value("small")
"""Numbers of harmless operations."""

NOTHING = (b"null", b"{}", b"[]")
"""Right answers that hold no row."""

PUT_OFF = (408, 429)
"""Of the statuses 400 to 499 those that say "not now" and not "not here"."""


@dataclass(frozen=True)
class Range:
    """Ids 1..top of one table; `named` when the answers name the id, so that a wrong row can be
    told.

    Not `known` when a question got no answer or the first rows are not there; then `top` is what is
    usual.
    """

    top: int
    named: bool
    known: bool = True
    why: str = ""


def plain_call(endpoint: Endpoint) -> Request:
    """The request of an endpoint that has neither a value nor a body."""
    return Request(endpoint.requirement, endpoint.method, endpoint.path)


def operation_call(number: int = 0) -> Request:
    """R4. Bits 32-35 of the number are poison (leak, panic, 500s), so only small ones are ever
    sent."""
    if not 0 <= number < 1 << 32:
        raise ValueError(f"{number} is not a harmless operation")
    call = plain_call(SERVICE.only_one("operation"))
    return call._replace(body=json.dumps({"operation": number}).encode())


def some_operation(rng: random.Random) -> Request:
    """R4, with any of the usual numbers."""
    return operation_call(rng.randint(SMALL.first, SMALL.last))


def database_call() -> Request:
    """R5."""
    return plain_call(SERVICE.only_one("database"))


def cached_call() -> Request:
    """R16: the answer that the edge keeps."""
    return plain_call(SERVICE.only_one("cached"))


def ping_call() -> Request:
    """R19: passed through untouched, so its body is the app's own word."""
    call = plain_call(SERVICE.only_one("health"))
    return call._replace(needle=SERVICE.health.equals.encode(), whole=True)


def single_call(endpoint: str, number: int, *, named: bool) -> Request:
    """R6-R8: one row."""
    return Request(
        endpoint,
        "GET",
        SINGLE[endpoint].fill_path(number),
        needle=str(number).encode() if named else b"",
    )


def any_row(endpoint: str, known: Range, rng: random.Random) -> Callable[[], Request]:
    """A maker of requests for one of R6-R8, each for any row."""
    return lambda: single_call(endpoint, rng.randint(1, known.top), named=known.named)


async def find_range(wire: Client, endpoint: str, keep: Keep = lambda sample: None) -> Range:
    """Which ids exist: the usual number if it answers, else found by halving (data may be scaled
    down).

    `keep` gets a sample of each question. A question without an answer ends the search: the range
    is then not `known`.
    """
    usual = SERVICE.find_value(SINGLE[endpoint].value).last
    try:
        last = await _ask_row(wire, endpoint, usual, keep)
        top = usual if last is not None else await _highest_id(wire, endpoint, usual, keep)
        if not top:
            why = f"no row has the id 1, 2 or 3; asked as if the usual {usual} rows were there"
            return Range(usual, named=False, known=False, why=why)
        named = len(str(top)) > 2
        for number in (top, max(1, top - 1)) if named else ():
            body = await _ask_row(wire, endpoint, number, keep)
            named = named and body is not None and str(number).encode() in body
    except _Unanswered as error:
        why = f"which rows exist could not be found out: {error}"
        return Range(usual, named=False, known=False, why=why)
    return Range(top, named, True, "" if top == usual else f"{top} rows, usual are {usual}")


async def _highest_id(wire: Client, endpoint: str, usual: int, keep: Keep) -> int:
    """The highest id below `usual`, 0 if the first three are not there. A few deleted rows do
    not mislead it."""
    there, beyond = 1, usual
    while await _ask_row(wire, endpoint, there, keep) is None:
        there += 1
        if there > 3:
            return 0
    while beyond - there > 1:
        middle = (there + beyond) // 2
        near = [number for number in (middle, middle - 1, middle - 2) if number > there]
        rows = await asyncio.gather(*(_ask_row(wire, endpoint, number, keep) for number in near))
        found = [number for number, row in zip(near, rows, strict=True) if row is not None]
        if found:
            there = found[0]
        else:
            beyond = middle
    return there


class _Unanswered(Exception):
    """A question got no answer; the text says which, and what came instead."""


async def _ask_row(wire: Client, endpoint: str, number: int, keep: Keep) -> bytes | None:
    """The answer for one id, None when there is no such row.

    Raises:
        _Unanswered: nobody said whether there is one.
    """
    call = single_call(endpoint, number, named=False)
    answer = await ask_alone(wire, call, keep, lambda answer: has_row(answer) is not None)
    there = has_row(answer)
    if there is None:
        raise _Unanswered(f"{call.method} {call.path} {no_answer(answer).removeprefix('it ')}")
    return answer.head if there else None


def has_row(answer: Response) -> bool | None:
    """Whether a single row is there; None when the answer says neither "here" nor "not here"."""
    if not answer.error:
        return answer.head.strip() not in NOTHING
    return False if 400 <= answer.status < 500 and answer.status not in PUT_OFF else None
