"""Open-loop load: requests leave when the schedule says so, however slow the answers are.

A closed loop waits for an answer before it asks again, so a stall of a second costs it one slow
request. Here it costs as many as users would have sent in that second, each with the latency it
would have felt (no coordinated omission).
"""

from __future__ import annotations

import asyncio
import random
import resource
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from .client import Client, Request, Response
from .sample import Sample
from .stats import percentile_of

LEAD = 0.05
"""Seconds between the start of a phase and its first request."""

LATE = 0.02
"""A generator whose own p99 lag is above this many seconds (1/20 of the latency bound) makes a
measurement doubtful."""

Seen = Callable[[Request, Sample, Response], None]
"""Told of each request as it ends."""


@dataclass(frozen=True)
class Load:
    """A finished phase: what was offered (requests per second, seconds), what came of it, what
    it cost this machine."""

    rate: float
    seconds: float
    samples: list[Sample]
    cpu_share: float

    @property
    def lag_p99(self) -> float:
        """Seconds the generator itself was late, 99th percentile."""
        return percentile_of(sorted(s.lag for s in self.samples), 0.99) if self.samples else 0.0

    @property
    def doubtful(self) -> bool:
        """Whether the generator was too late for the figures to be taken at their word."""
        return self.lag_p99 > LATE


def mix_calls(
    makers: Sequence[Callable[[], Request]], count: int, rng: random.Random
) -> Iterator[Request]:
    """`count` calls in equal shares; shuffled block by block, so that no endpoint keeps step
    with anything periodic."""
    block: list[Callable[[], Request]] = []
    for _ in range(count):
        if not block:
            block = list(makers)
            rng.shuffle(block)
        yield block.pop()()


async def offer_load(
    wire: Client,
    calls: Iterable[Request],
    *,
    rate: float,
    timeout: float,
    seen: Seen | None = None,
) -> Load:
    """Send `calls` at `rate` per second, wait for the last answer (at most `timeout` seconds
    after it was due)."""
    loop = asyncio.get_running_loop()
    samples: list[Sample] = []
    begin, cpu = loop.time() + LEAD, _cpu_seconds()

    async def one(call: Request, intended: float) -> None:
        woke = loop.time() - begin
        answer = await wire.ask(call, timeout=timeout, due=begin + intended)
        sample = Sample(
            endpoint=call.endpoint,
            intended=intended,
            woke=woke,
            sent=answer.sent - begin,
            done=answer.done - begin,
            status=answer.status,
            error=answer.error,
            mark=answer.mark,
            arm=call.arm,
        )
        samples.append(sample)
        if seen:
            seen(call, sample, answer)

    count = 0
    async with asyncio.TaskGroup() as tasks:
        for count, call in enumerate(calls, start=1):
            intended = (count - 1) / rate
            # Also when late: a sleep of nothing lets the requests already due begin.
            await asyncio.sleep(max(0.0, begin + intended - loop.time()))
            tasks.create_task(one(call, intended))
    elapsed = max(loop.time() - begin, 1e-9)
    return Load(rate, count / rate, samples, (_cpu_seconds() - cpu) / elapsed)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
