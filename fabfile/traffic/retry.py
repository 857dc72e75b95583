"""A request outside the loads: it is retried until it succeeds, but no longer than a user would
wait.

A run needs some answers before it can offer its load, so it retries a failure. Each try is kept and
judged with the load's samples: an outage that ends before the load begins is still an outage.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from .client import Client, Request, Response
from .sample import Sample

WAIT = 3.0
"""Seconds without a right answer after which an endpoint that needs milliseconds counts as out of
service."""

PAUSE = 0.2
"""Seconds between two tries."""

Keep = Callable[[Sample], None]


def is_right(answer: Response) -> bool:
    """Whether the answer is what its request asked for."""
    return not answer.error


async def ask_alone(
    client: Client,
    request: Request,
    keep: Keep,
    right: Callable[[Response], bool] = is_right,
    seek: bytes = b"",
) -> Response:
    """Repeat the request until the answer is `right`, for at most WAIT seconds; `keep` gets a
    sample of each try. `seek`: bytes to look for in the body.

    Returns:
        The last answer: a right one, or the last wrong one when the time is over.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + WAIT
    while True:
        due = loop.time()
        answer = await client.ask(request, timeout=end - due, due=due, seek=seek)
        error = "" if right(answer) else answer.error
        keep(
            Sample(
                endpoint=request.endpoint,
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
    """The problem of a request that `ask_alone` gave up."""
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
