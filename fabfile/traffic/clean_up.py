"""After a run: delete its own rows, also those whose creation got no answer.

A creation that timed out, or was in flight when the run was interrupted, may have been executed.
Its values are known, and one of them is unique: it distinguishes the row from those of users. The
row is searched among the ids near our other rows, or in a list.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from .answers import WHOLE
from .client import Client, Request, Response
from .own_rows import OwnRows, RowId, sort_ids
from .ranges import has_row
from .row_content import id_in, rows_in, shows_values

CLEAN_UP = 15.0
"""Seconds for the whole clean-up; rows that are left then are reported."""

PATIENCE = 5.0
"""Seconds for one request."""

TRIES = 3
"""Rows made to learn the newest id, until one is answered."""

AT_ONCE = 8
"""Requests in flight at a time: few, because users are served meanwhile."""

AROUND = 50
"""Ids below our own that are read too: users' rows may lie in between."""

MOST = 1000
"""Ids that are read, at most."""

Item = TypeVar("Item")
Result = TypeVar("Result")


async def clean_up(ledgers: Iterable[OwnRows], client: Client) -> None:
    """Delete every row of the run; those that could not be deleted or found stay in their
    ledger."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLEAN_UP):
            for own_rows in ledgers:
                await _delete_known(own_rows, client)
                if own_rows.unanswered and own_rows.marks and not own_rows.refusal:
                    await _find_unanswered(own_rows, client)
                    await _delete_known(own_rows, client)


async def _delete_known(own_rows: OwnRows, client: Client) -> None:
    async def delete(number: RowId) -> None:
        request = own_rows.delete(number)
        own_rows.deleted(request, await client.ask(request, timeout=PATIENCE))

    await _for_each(delete, sort_ids(own_rows.open))


async def _find_unanswered(own_rows: OwnRows, client: Client) -> None:
    """Create a newest row and search for it and the others. If the newest is recognised, a row that
    is not found does not exist."""
    newest, sent = await _make_newest(own_rows, client)
    if newest is None:
        return
    if own_rows.highest_of_users is not None and own_rows.of.read and isinstance(newest, int):
        await _search_near(own_rows, client, newest, sent)
    elif own_rows.of.listing:
        await _search_list(own_rows, client, newest)


async def _search_near(
    own_rows: OwnRows, client: Client, newest: int, sent: Mapping[str, str]
) -> None:
    """Read the ids just below the newest."""
    users = own_rows.highest_of_users or 0
    least = max(users + 1, (own_rows.lowest or newest) - own_rows.lost - AROUND, newest - MOST)

    async def read(number: int) -> tuple[Request, Response]:
        request = own_rows.of.reads(number, own_rows.calls)
        assert request is not None
        return request, await client.ask(request, timeout=PATIENCE)

    numbers = range(newest, least - 1, -1)
    answers = dict(zip(numbers, await _for_each(read, numbers), strict=True))
    if not shows_values(answers[newest][1].head, sent):
        return  # the rows do not show who made them
    for number, (_, answer) in answers.items():
        _recognise(own_rows, number, answer.head)
    if all(has_row(*exchange) is not None for exchange in answers.values()):
        own_rows.unanswered.clear()


async def _search_list(own_rows: OwnRows, client: Client, newest: RowId) -> None:
    """Look through the list of all rows."""
    assert own_rows.of.listing is not None
    request = own_rows.calls.make(own_rows.of.listing)
    answer = await client.ask(request, timeout=PATIENCE, keep=WHOLE)
    fields = own_rows.calls.program.values[own_rows.of.value].field
    seen = set[RowId]()
    for row in rows_in(b"" if answer.error else answer.head):
        body = json.dumps(row, ensure_ascii=False).encode()
        number = id_in(Response(0, 0, head=body), fields, own_rows.of.create.path)
        if number is not None:
            seen.add(number)
            _recognise(own_rows, number, body)
    if newest in seen:
        own_rows.unanswered.clear()


def _recognise(own_rows: OwnRows, number: RowId, body: bytes) -> None:
    """Record the row if it has the values of one of our creations."""
    for ordinal, values in own_rows.unanswered.items():
        if shows_values(body, values):
            own_rows.found(ordinal, number)
            return


async def _make_newest(own_rows: OwnRows, client: Client) -> tuple[RowId | None, Mapping[str, str]]:
    """Create one more row; return its id (None after a few tries without one) and its values."""
    for _ in range(TRIES):
        request = own_rows.post()
        newest = own_rows.posted(request, await client.ask(request, timeout=PATIENCE))
        if newest is not None or own_rows.refusal:
            return newest, request.values
    return None, {}


async def _for_each(
    work: Callable[[Item], Awaitable[Result]], items: Sequence[Item]
) -> list[Result]:
    """Run `work` for each item, AT_ONCE at a time."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def work_in_slot(item: Item) -> Result:
        async with slots:
            return await work(item)

    return list(await asyncio.gather(*map(work_in_slot, items)))
