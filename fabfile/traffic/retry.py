"""A question outside the loads. It is asked until it is answered, but no longer than a user would
wait.

A run needs answers before it can offer its load, so it must ask again when one fails. Each try is
kept and judged with the load's: an outage that is over when the load begins is an outage all the
same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from .client import Client, Request, Response
from .sample import Sample

WAIT = 3.0
"""Seconds without a right answer from which an endpoint that answers in milliseconds is out of
service."""

PAUSE = 0.2
"""Seconds between two tries."""

Keep = Callable[[Sample], None]


def is_right(answer: Response) -> bool:
    """Whether the answer is what its call asked for."""
    return not answer.error


async def ask_alone(
    wire: Client, call: Request, keep: Keep, right: Callable[[Response], bool] = is_right
) -> Response:
    """Ask until the answer is `right`, for WAIT seconds at most; `keep` gets a sample of each try.

    Returns:
        The last answer: the right one, or the one that came when the time was over.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + WAIT
    while True:
        due = loop.time()
        answer = await wire.ask(call, timeout=end - due, due=due)
        error = "" if right(answer) else answer.error
        keep(
            Sample(
                endpoint=call.endpoint,
                intended=due,
                woke=due,
                sent=answer.sent,
                done=answer.done,
                status=answer.status,
                error=error,
                mark=answer.mark,
            )
        )
        if not error or loop.time() + PAUSE >= end:
            return answer
        await asyncio.sleep(PAUSE)


def no_answer(answer: Response) -> str:
    """The problem of a question that `ask_alone` gave up."""
    return f"it gave no right answer within {WAIT:g} s ({answer.error})"


def failed_alone(alone: Sequence[Sample], load: Sequence[Sample], share: float) -> str:
    """Why an endpoint fails when the tries outside its load count too; empty when at most
    `share` (0..1) of all failed."""
    errors = [sample.error for sample in alone if not sample.ok]
    asked, failed = len(alone) + len(load), len(errors) + sum(not sample.ok for sample in load)
    if not errors or failed <= share * asked:
        return ""
    kinds = ", ".join(f"{kind} ×{errors.count(kind)}" for kind in dict.fromkeys(errors))
    return f"before the load {len(errors)} of {len(alone)} failed ({kinds})"
