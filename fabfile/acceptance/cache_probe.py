"""R16: asking /long_dummy now in bursts, now singly, now after nobody has asked for long, while
all else goes on."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ..traffic.calls import ping_call
from ..traffic.client import Client, Request, Response
from ..traffic.dates import parse_http_date
from ..traffic.sample import Sample
from .cache_age import DatedAnswer, times_in

PATH = "/long_dummy"
ASKED = Request("R16", "GET", PATH)

UNCACHED = 4
"""Queries that no cache can have: more than there are nodes."""

PINGS = 12
"""Answers whose Dates tell the service's clock."""


@dataclass(frozen=True)
class Pattern:
    """For how many seconds to ask, and the longest time without a request; `seed` repeats a run.

    `apart` seconds lie between the questions that no cache can answer: more than a second, for
    whole ones in bodies.
    """

    seconds: float
    longest: float
    seed: int = 0
    apart: float = 1.1

    def steps(self) -> Iterator[tuple[float, int]]:
        """Pairs: how long to wait, then how many to ask at once. Stretches of both kinds in
        turn; the longest idle gap first."""
        rng, spent, idle = random.Random(self.seed), 0.0, self.longest
        yield 0.0, 1
        while spent < self.seconds:
            for _ in range(rng.randint(3, 7)):
                gap = rng.choice((rng.uniform(0.02, 0.3), rng.uniform(0.3, 2.0)))
                spent += gap
                yield gap, rng.choice((1, 1, 2, 4, 8))
            gap = min(idle, max(0.0, self.seconds - spent))
            spent, idle = spent + gap, rng.uniform(0.0, self.longest)
            yield gap, rng.choice((1, 4))


@dataclass
class CacheSeen:
    """Samples and right answers of the pattern; right answers to unique queries, to POST, and to
    pings.

    `marks` are headers by which a cache admits that it answered a POST; `longest` is the longest
    idle gap in seconds.
    """

    pattern: Pattern
    samples: list[Sample] = field(default_factory=list)
    plain: list[DatedAnswer] = field(default_factory=list)
    unique: list[DatedAnswer] = field(default_factory=list)
    posted: list[DatedAnswer] = field(default_factory=list)
    pings: list[DatedAnswer] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)
    longest: float = 0.0


async def watch_cache(wires: Sequence[Client], pattern: Pattern, timeout: float) -> CacheSeen:
    """Go through the pattern, each request by the next of `wires`; nothing here is ever raised
    for what a service does."""
    seen = CacheSeen(pattern)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_without_cache(wires[0], seen, timeout))
        await _ask_through(wires, seen, timeout)
    return seen


async def _ask_through(wires: Sequence[Client], seen: CacheSeen, timeout: float) -> None:
    loop, number = asyncio.get_running_loop(), 0
    begin = idle_since = loop.time()
    for gap, burst in seen.pattern.steps():
        await asyncio.sleep(gap)
        seen.longest = max(seen.longest, loop.time() - idle_since) if seen.samples else 0.0
        asked = (wires[(number + i) % len(wires)].ask(ASKED, timeout=timeout) for i in range(burst))
        answers = await asyncio.gather(*asked)
        number, idle_since = number + burst, loop.time()
        for answer in sorted(answers, key=lambda answer: answer.done):
            sent, done = answer.sent - begin, answer.done - begin
            seen.samples.append(
                Sample("R16", sent, sent, sent, done, answer.status, answer.error, answer.mark)
            )
            seen.plain += _right_answer(answer)


async def _without_cache(wire: Client, seen: CacheSeen, timeout: float) -> None:
    """Questions of their own query, and POSTs: what the app itself says. They renew nobody's
    kept answer."""

    async def once(number: int, call: Request) -> Response:
        await asyncio.sleep(number * seen.pattern.apart)
        return await wire.ask(call, timeout=timeout)

    calls = [ASKED._replace(path=f"{PATH}?fresh={secrets.token_hex(8)}") for _ in range(UNCACHED)]
    posts = [Request("R16", "POST", PATH, b"{}")] * 2
    answers = await asyncio.gather(
        *(once(number, call) for number, call in enumerate([*calls, *posts]))
    )
    seen.unique += [right for answer in answers[:UNCACHED] for right in _right_answer(answer)]
    seen.posted += [right for answer in answers[UNCACHED:] for right in _right_answer(answer)]
    seen.marks += [answer.mark for answer in answers[UNCACHED:] if answer.mark]
    for number in range(PINGS):  # spread over a second, so that some fall next to its turn
        await asyncio.sleep(number * 0.618 % 1 * 0.2)
        seen.pings += _right_answer(await wire.ask(ping_call(), timeout=timeout))


def _right_answer(answer: Response) -> list[DatedAnswer]:
    """A right answer as evidence, in seconds since 1970; none of a wrong one."""
    if answer.error:
        return []
    wall = time.time() - asyncio.get_running_loop().time()
    told = answer.headers.get("X-Answered-At", "")
    stamp = float(told) if told.isdecimal() else None
    date = parse_http_date(answer.headers.get("Date", ""))
    return [
        DatedAnswer(
            answer.sent + wall,
            answer.done + wall,
            answer.digest,
            times_in(answer.head),
            date,
            stamp,
        )
    ]
