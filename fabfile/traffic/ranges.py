"""Find which rows exist: a site may hold fewer than the service file says."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import chain

from ..settings.endpoint import Endpoint
from ..settings.service import Service
from .calls import CallMaker
from .client import Client, Request, Response
from .retry import Keep, ask_alone, no_answer
from .values import Range, names_in, rule_range

NOTHING = (b"", b"null", b"{}", b"[]")
"""Right answers that contain no row."""

TRY_LATER = (408, 429)
"""Statuses from 400 to 499 that mean "try later", not "no such row"."""

FIRST_ROWS = 3
"""The search gives up if none of so many first rows exists."""


def reader_of(program: Service, value: str) -> Endpoint | None:
    """The call that reads the row of one number: a GET that needs only this value, else a POST that
    may be executed twice and whose right answer contains the number; None if there is none."""
    alone = [
        endpoint for endpoint in program.endpoints if names_in(endpoint, program.values) == (value,)
    ]
    reads = (endpoint for endpoint in alone if endpoint.request_method == "GET")
    asks = (
        endpoint
        for endpoint in alone
        if endpoint.request_method == "POST"
        and endpoint.may_repeat
        and f"{{{value}}}" in endpoint.expect.contains
    )
    return next(chain(reads, asks), None)


def searched_values(program: Service) -> dict[str, Endpoint]:
    """The values whose highest number is searched, each with the call that reads its rows."""
    return {
        name: reader
        for name, rule in program.values.items()
        if rule.discover_max and (reader := reader_of(program, name))
    }


async def find_ranges(
    client: Client, calls: CallMaker, keep: Keep = lambda sample: None
) -> dict[str, Range]:
    """The range of each searched value that is not known yet. `keep` gets a sample of each
    request."""
    known = calls.ranges
    missing = [
        name
        for name in searched_values(calls.program)
        if name not in known or not known[name].known
    ]
    found = await asyncio.gather(*(find_range(client, calls, name, keep) for name in missing))
    return dict(zip(missing, found, strict=True))


async def find_range(
    client: Client, calls: CallMaker, value: str, keep: Keep = lambda sample: None
) -> Range:
    """Find which numbers exist: the usual ones if the last row exists, else by bisection.

    `keep` gets a sample of each request. A request without an answer ends the search: the range
    is then not `known`.
    """
    usual = rule_range(calls.program.values[value])
    reader = searched_values(calls.program)[value]
    search = _RowSearch(client, calls, value, reader, keep)
    try:
        top = usual.top if await search.exists(usual.top) else await search.find_highest(usual)
    except _Unanswered as error:
        why = f"which rows exist is unknown: {error}"
        return Range(usual.top, usual.first, known=False, why=why)
    if top is None:
        first = ", ".join(str(usual.first + n) for n in range(FIRST_ROWS - 1))
        why = (
            f"no row has the id {first} or {usual.first + FIRST_ROWS - 1}; the load assumes the"
            f" usual {usual.top} rows"
        )
        return Range(usual.top, usual.first, known=False, why=why)
    why = "" if top == usual.top else f"{top} rows, usual are {usual.top}"
    return Range(top, usual.first, why=why)


@dataclass(frozen=True)
class _RowSearch:
    """The search for the highest number of one value."""

    client: Client
    calls: CallMaker
    value: str
    reader: Endpoint
    keep: Keep

    async def find_highest(self, usual: Range) -> int | None:
        """The highest number below the usual one; None if none of the first rows exists. A few
        deleted rows do not mislead the search."""
        there, beyond = usual.first, usual.top
        while not await self.exists(there):
            there += 1
            if there >= usual.first + FIRST_ROWS:
                return None
        while beyond - there > 1:
            middle = (there + beyond) // 2
            near = [number for number in (middle, middle - 1, middle - 2) if number > there]
            rows = await asyncio.gather(*(self.exists(number) for number in near))
            found = [number for number, row in zip(near, rows, strict=True) if row]
            if found:
                there = found[0]
            else:
                beyond = middle
        return there

    async def exists(self, number: int) -> bool:
        """Whether there is a row with this number.

        Raises:
            _Unanswered: no answer shows it.
        """
        request = self.calls.make(self.reader, {self.value: str(number)})
        answer = await ask_alone(
            self.client, request, self.keep, lambda answer: has_row(request, answer) is not None
        )
        there = has_row(request, answer)
        if there is None:
            raise _Unanswered(
                f"{request.method} {request.path} {no_answer(answer).removeprefix('it ')}"
            )
        return there


class _Unanswered(Exception):
    """A request got no answer; the text names the request and the failure."""


def has_row(request: Request, answer: Response) -> bool | None:
    """Whether the row of a request exists; None when the answer does not show it."""
    expect = request.expect
    if answer.status in expect.absent:
        return False
    if not answer.error:
        return answer.head.strip() not in NOTHING or 204 in expect.status
    if answer.status in expect.status:
        return False  # the answer is about no row, or another one
    return False if 400 <= answer.status < 500 and answer.status not in TRY_LATER else None
