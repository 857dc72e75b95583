"""Create a row, read it, delete it and read it again: do writes take effect, and at once?"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from ..traffic.client import Request
from ..traffic.own_rows import OwnRows, RowId
from ..traffic.ranges import has_row
from ..traffic.retry import ask_alone
from .freshness import Fresh, Freshness
from .run_state import CheckRun


async def read_back(run: CheckRun, own_rows: OwnRows) -> None:
    """Create a row, read it twice, delete it, and read it again at once.

    After the deletion only a cache can still have it. What this shows becomes evidence about the
    call that reads; problems are those of the calls that create and delete. Does nothing if no call
    shows whether the row exists.
    """
    if own_rows.refusal:
        return
    creation = own_rows.post()
    answer = await run.ask_once(creation, timeout=run.plan.timeout)
    number = own_rows.posted(creation, answer)
    if number is None:
        return
    look = _make_look(own_rows, creation, number)
    if look is None:
        await run.delete_row(own_rows, number)
        return
    if evidence := await _follow_row(run, own_rows, number, look):
        run.evidence[look.request.endpoint].append(evidence)


@dataclass(frozen=True)
class _Look:
    """How to see whether a row exists: a request, and for a list the text to look for."""

    request: Request
    seek: bytes = b""

    def with_unique_query(self) -> _Look:
        """The same look, past every cache."""
        return _Look(self.request.with_query(f"fresh={secrets.token_hex(8)}"), self.seek)


def _make_look(own_rows: OwnRows, creation: Request, number: RowId) -> _Look | None:
    """The call that reads the row, else the list that shows its unique text, if it is quick."""
    if request := own_rows.of.reads(number, own_rows.calls):
        return _Look(request)
    listing, marks = own_rows.of.listing, own_rows.marks
    if listing is None or listing.serial or not marks:
        return None
    return _Look(own_rows.calls.make(listing), creation.values[marks[0]].encode())


async def _follow_row(
    run: CheckRun, own_rows: OwnRows, number: RowId, look: _Look
) -> Freshness | None:
    create, delete, path = own_rows.of.create, own_rows.of.delete, look.request.path
    # Twice, so that a cache has stored the answer before the row is deleted.
    for exists in (await _exists(run, look), await _exists(run, look)):
        if not exists:
            result = "gives no answer" if exists is None else "does not have it"
            run.problems[create.id].append(f"row {number} was accepted, but GET {path} {result}")
            return None
    if not await run.delete_row(own_rows, number):
        return None
    exists = await _exists(run, look)
    problem = f"{delete.method} of row {number} was accepted, but GET {path}"
    if exists is None:
        run.problems[delete.id].append(f"{problem} gives no answer")
        return None
    if not exists:
        return Freshness(Fresh.PROVEN, "a deleted row is gone with the next request")
    if not await _exists(run, look.with_unique_query()):
        return Freshness(Fresh.CACHED, "a deleted row is still answered, but not to a unique query")
    run.problems[delete.id].append(f"{problem} still has it")
    return None


async def _exists(run: CheckRun, look: _Look) -> bool | None:
    """Whether the row exists; None without a clear answer."""
    request = look.request
    if look.seek:
        answer = await ask_alone(run.client, request, run.keep_alone, seek=look.seek)
        return None if answer.error else answer.found
    answer = await ask_alone(
        run.client, request, run.keep_alone, lambda answer: has_row(request, answer) is not None
    )
    return has_row(request, answer)
