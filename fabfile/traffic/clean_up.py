"""After a run: its own sessions are deleted, also those whose creation got no answer.

A POST that timed out, or was under way when the run was interrupted, may have been carried out. Its
session has an id near those of our other sessions, and its start time, customer and movie are
known: that tells it from users' sessions.
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
"""Seconds for all of it; what is left then is reported."""

PATIENCE = 5.0
"""Seconds for one request."""

TRIES = 3
"""Sessions made to learn the newest id, until one is answered."""

AT_ONCE = 8
"""Requests at a time: users are served meanwhile."""

AROUND = 50
"""Ids below our own that are looked at, for those that users took in between."""

MOST = 1000
"""Ids that are looked at, at most."""

Seen = TypeVar("Seen")


async def clean_up(ledger: OwnRows, wire: Client) -> None:
    """Delete every session of the run; those that could not be deleted or found stay in the
    ledger."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLEAN_UP):
            await _delete_known(ledger, wire)
            if ledger.unanswered and not ledger.refusal:
                await _find_unanswered(ledger, wire)
                await _delete_known(ledger, wire)


async def _delete_known(ledger: OwnRows, wire: Client) -> None:
    async def delete(number: int) -> None:
        ledger.deleted(number, await wire.ask(ledger.delete(number), timeout=PATIENCE))

    await _each(delete, sorted(ledger.open))


async def _find_unanswered(ledger: OwnRows, wire: Client) -> None:
    """Look at the ids just below a newest one. When that one is recognised there, what is not
    found does not exist."""
    newest, sent = await _make_newest(ledger, wire)
    if newest is None:
        return
    mine = {session: start for start, session in ledger.unanswered.items()}
    least = max(
        ledger.sessions.top + 1, (ledger.lowest or newest) - len(mine) - AROUND, newest - MOST
    )

    async def read(number: int) -> Response:
        return await wire.ask(single_call(READ.requirement, number, named=False), timeout=PATIENCE)

    numbers = range(newest, least - 1, -1)
    answers = dict(zip(numbers, await _each(read, numbers), strict=True))
    if _session(answers[newest]) != sent:
        return  # rows there do not show whose they are
    for number, answer in answers.items():
        if start := mine.get(_session(answer) or Session("", 0, 0)):
            ledger.found(start, number)
    if all(has_row(answer) is not None for answer in answers.values()):
        ledger.unanswered.clear()


async def _make_newest(ledger: OwnRows, wire: Client) -> tuple[int | None, Session | None]:
    """One more session of our own, and its id; no id when a few tries got none."""
    for _ in range(TRIES):
        call = ledger.post()
        newest = ledger.posted(call, await wire.ask(call, timeout=PATIENCE))
        if newest is not None or ledger.refusal:
            return newest, session_in(json.loads(call.body or b"{}"))
    return None, None


def _session(answer: Response) -> Session | None:
    try:
        return None if answer.error else session_in(json.loads(answer.head))
    except ValueError:
        return None


async def _each(do: Callable[[int], Awaitable[Seen]], numbers: Sequence[int]) -> list[Seen]:
    """`do` for each number, AT_ONCE at a time."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> Seen:
        async with slots:
            return await do(number)

    return list(await asyncio.gather(*map(one, numbers)))
