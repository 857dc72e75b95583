"""After a run: delete its own sessions, also those whose creation got no answer.

A POST that timed out, or was in flight when the run was interrupted, may have been executed. Its
session has an id near those of our other sessions, and its start time, customer and movie are
known: these distinguish it from users' sessions.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from .calls import has_row, single_call
from .client import Client, Response
from .own_rows import READ, OwnRows, Session, session_in

CLEAN_UP = 15.0
"""Seconds for the whole clean-up; rows that are left then are reported."""

PATIENCE = 5.0
"""Seconds for one request."""

TRIES = 3
"""Sessions made to learn the newest id, until one is answered."""

AT_ONCE = 8
"""Requests in flight at a time: few, because users are served meanwhile."""

AROUND = 50
"""Ids below our own that are read too: users' sessions may lie in between."""

MOST = 1000
"""Ids that are read, at most."""

Result = TypeVar("Result")


async def clean_up(own_rows: OwnRows, client: Client) -> None:
    """Delete every session of the run; those that could not be deleted or found stay in
    `own_rows`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLEAN_UP):
            await _delete_known(own_rows, client)
            if own_rows.unanswered and not own_rows.refusal:
                await _find_unanswered(own_rows, client)
                await _delete_known(own_rows, client)


async def _delete_known(own_rows: OwnRows, client: Client) -> None:
    async def delete(number: int) -> None:
        own_rows.deleted(number, await client.ask(own_rows.delete(number), timeout=PATIENCE))

    await _for_each(delete, sorted(own_rows.open))


async def _find_unanswered(own_rows: OwnRows, client: Client) -> None:
    """Create a newest session and read the ids just below it. If the newest is recognised there,
    a session that is not found does not exist."""
    newest, sent = await _make_newest(own_rows, client)
    if newest is None:
        return
    mine = {session: start for start, session in own_rows.unanswered.items()}
    least = max(
        own_rows.sessions.top + 1, (own_rows.lowest or newest) - len(mine) - AROUND, newest - MOST
    )

    async def read(number: int) -> Response:
        request = single_call(READ.requirement, number, named=False)
        return await client.ask(request, timeout=PATIENCE)

    numbers = range(newest, least - 1, -1)
    answers = dict(zip(numbers, await _for_each(read, numbers), strict=True))
    if _parse_session(answers[newest]) != sent:
        return  # the rows do not show who made them
    for number, answer in answers.items():
        if start := mine.get(_parse_session(answer) or Session("", 0, 0)):
            own_rows.found(start, number)
    if all(has_row(answer) is not None for answer in answers.values()):
        own_rows.unanswered.clear()


async def _make_newest(own_rows: OwnRows, client: Client) -> tuple[int | None, Session | None]:
    """Create one more session; return its id (None after a few tries without one) and the row."""
    for _ in range(TRIES):
        request = own_rows.post()
        newest = own_rows.posted(request, await client.ask(request, timeout=PATIENCE))
        if newest is not None or own_rows.refusal:
            return newest, session_in(json.loads(request.body or b"{}"))
    return None, None


def _parse_session(answer: Response) -> Session | None:
    try:
        return None if answer.error else session_in(json.loads(answer.head))
    except ValueError:
        return None


async def _for_each(
    work: Callable[[int], Awaitable[Result]], numbers: Sequence[int]
) -> list[Result]:
    """Run `work` for each number, AT_ONCE at a time."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def work_in_slot(number: int) -> Result:
        async with slots:
            return await work(number)

    return list(await asyncio.gather(*map(work_in_slot, numbers)))
