"""The requests that can be made: the endpoints by requirement, and which ids exist."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass

from ..settings.bingo import SERVICE
from ..settings.endpoint import Endpoint
from .client import Client, Request, Response
from .retry import Keep, ask_alone, no_answer

LISTS = {endpoint.requirement: endpoint for endpoint in SERVICE.of_kind("list")}
SINGLE = {endpoint.requirement: endpoint for endpoint in SERVICE.of_kind("read")}
"""The calls for one row, by requirement."""

SMALL = SERVICE.values["small"]
"""Numbers of harmless operations."""

NOTHING = (b"null", b"{}", b"[]")
"""Right answers that contain no row."""

TRY_LATER = (408, 429)
"""Statuses from 400 to 499 that mean "try later", not "no such row"."""


@dataclass(frozen=True)
class Range:
    """Ids 1..top of one table. `named`: the answers contain the id, so a wrong row is recognised.

    `known` is false when a request got no answer or the first rows do not exist; `top` is then the
    usual number, and `why` gives the reason.
    """

    top: int
    named: bool
    known: bool = True
    why: str = ""


def plain_call(endpoint: Endpoint) -> Request:
    """The request of an endpoint that has neither a value nor a body."""
    return Request(endpoint.requirement, endpoint.request_method, endpoint.path)


def operation_call(number: int = 0) -> Request:
    """R4. Only small numbers are sent: bits 32-35 of the number are poison (leak, panic, 500s).

    Raises:
        ValueError: the number is not harmless.
    """
    if not 0 <= number < 1 << 32:
        raise ValueError(f"{number} is not a harmless operation")
    call = plain_call(SERVICE.single_of_kind("operation"))
    return call._replace(body=json.dumps({"operation": number}).encode())


def some_operation(rng: random.Random) -> Request:
    """R4, with any of the usual numbers."""
    return operation_call(rng.randint(SMALL.first, SMALL.last))


def database_call() -> Request:
    """R5."""
    return plain_call(SERVICE.single_of_kind("database"))


def cached_call() -> Request:
    """R16: the answer that the edge keeps."""
    return plain_call(SERVICE.single_of_kind("cached"))


def ping_call() -> Request:
    """R19: the edge passes it on unchanged, so its body comes from the app."""
    request = plain_call(SERVICE.single_of_kind("health"))
    return request._replace(needle=SERVICE.health.live.equals.encode(), whole=True)


def single_call(endpoint: str, number: int, *, named: bool) -> Request:
    """R6-R8: one row."""
    return Request(
        endpoint,
        "GET",
        SINGLE[endpoint].fill_path(number),
        needle=str(number).encode() if named else b"",
    )


def any_row(endpoint: str, known: Range, rng: random.Random) -> Callable[[], Request]:
    """A function that makes requests for one of R6-R8, each for a random row."""
    return lambda: single_call(endpoint, rng.randint(1, known.top), named=known.named)


async def find_range(client: Client, endpoint: str, keep: Keep = lambda sample: None) -> Range:
    """Find which ids exist: the usual number if its last row exists, else by bisection (the data
    may be scaled down).

    `keep` gets a sample of each request. A request without an answer ends the search: the range
    is then not `known`.
    """
    usual = SERVICE.values[SINGLE[endpoint].value].last
    try:
        last = await _ask_row(client, endpoint, usual, keep)
        top = usual if last is not None else await _find_highest_id(client, endpoint, usual, keep)
        if not top:
            why = f"no row has the id 1, 2 or 3; the load assumes the usual {usual} rows"
            return Range(usual, named=False, known=False, why=why)
        named = len(str(top)) > 2
        for number in (top, max(1, top - 1)) if named else ():
            body = await _ask_row(client, endpoint, number, keep)
            named = named and body is not None and str(number).encode() in body
    except _Unanswered as error:
        why = f"which rows exist is unknown: {error}"
        return Range(usual, named=False, known=False, why=why)
    return Range(top, named, True, "" if top == usual else f"{top} rows, usual are {usual}")


async def _find_highest_id(client: Client, endpoint: str, usual: int, keep: Keep) -> int:
    """The highest id below `usual`; 0 if ids 1 to 3 do not exist. A few deleted rows do not
    mislead the search."""
    there, beyond = 1, usual
    while await _ask_row(client, endpoint, there, keep) is None:
        there += 1
        if there > 3:
            return 0
    while beyond - there > 1:
        middle = (there + beyond) // 2
        near = [number for number in (middle, middle - 1, middle - 2) if number > there]
        rows = await asyncio.gather(*(_ask_row(client, endpoint, number, keep) for number in near))
        found = [number for number, row in zip(near, rows, strict=True) if row is not None]
        if found:
            there = found[0]
        else:
            beyond = middle
    return there


class _Unanswered(Exception):
    """A request got no answer; the text names the request and the failure."""


async def _ask_row(client: Client, endpoint: str, number: int, keep: Keep) -> bytes | None:
    """The answer for one id; None when there is no such row.

    Raises:
        _Unanswered: no answer shows whether the row exists.
    """
    request = single_call(endpoint, number, named=False)
    answer = await ask_alone(client, request, keep, lambda answer: has_row(answer) is not None)
    there = has_row(answer)
    if there is None:
        raise _Unanswered(
            f"{request.method} {request.path} {no_answer(answer).removeprefix('it ')}"
        )
    return answer.head if there else None


def has_row(answer: Response) -> bool | None:
    """Whether the row exists; None when the answer does not show it."""
    if not answer.error:
        return answer.head.strip() not in NOTHING
    return False if 400 <= answer.status < 500 and answer.status not in TRY_LATER else None
