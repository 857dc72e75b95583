"""Open-loop load: requests leave on schedule, however slow the answers are.

A closed loop waits for an answer before the next request, so a stall of a second shows as one slow
request. Here it shows as all the requests that users would have sent in that second, each with its
real latency (no coordinated omission).
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
"""Seconds of generator lag (p99) above which a measurement is doubtful: 1/20 of the latency
bound."""

OnAnswer = Callable[[Request, Sample, Response], None]
"""Called with each request when it ends."""


@dataclass(frozen=True)
class Load:
    """A finished phase: the offered load (requests per second, seconds), its samples, and the share
    of a core that the generator used."""

    rate: float
    seconds: float
    samples: list[Sample]
    cpu_share: float

    @property
    def lag_p99(self) -> float:
        """Generator lag in seconds, 99th percentile."""
        return percentile_of(sorted(s.lag for s in self.samples), 0.99) if self.samples else 0.0

    @property
    def doubtful(self) -> bool:
        """Whether the generator lag was too high to trust the latencies."""
        return self.lag_p99 > LATE


def mix_calls(
    makers: Sequence[Callable[[], Request]], count: int, rng: random.Random
) -> Iterator[Request]:
    """Make `count` requests, the same number by each maker.

    They are shuffled block by block, so that no endpoint is in phase with anything periodic.
    """
    block: list[Callable[[], Request]] = []
    for _ in range(count):
        if not block:
            block = list(makers)
            rng.shuffle(block)
        yield block.pop()()


async def offer_load(
    client: Client,
    requests: Iterable[Request],
    *,
    rate: float,
    timeout: float,
    on_answer: OnAnswer | None = None,
) -> Load:
    """Send `requests` at `rate` per second, wait for the last answer (at most `timeout` seconds
    after it was due)."""
    loop = asyncio.get_running_loop()
    samples: list[Sample] = []
    begin, cpu = loop.time() + LEAD, _cpu_seconds()

    async def send_request(request: Request, intended: float) -> None:
        woke = loop.time() - begin
        answer = await client.ask(request, timeout=timeout, due=begin + intended)
        sample = _make_sample(request, answer, begin, intended, woke)
        samples.append(sample)
        if on_answer:
            on_answer(request, sample, answer)

    count = 0
    async with asyncio.TaskGroup() as tasks:
        for count, request in enumerate(requests, start=1):
            intended = (count - 1) / rate
            # Sleep also when late: a sleep of 0 s lets the requests that are already due start.
            await asyncio.sleep(max(0.0, begin + intended - loop.time()))
            tasks.create_task(send_request(request, intended))
    elapsed = max(loop.time() - begin, 1e-9)
    return Load(rate, count / rate, samples, (_cpu_seconds() - cpu) / elapsed)


def _make_sample(
    request: Request, answer: Response, begin: float, intended: float, woke: float
) -> Sample:
    return Sample(
        endpoint=request.endpoint,
        intended=intended,
        woke=woke,
        sent=answer.sent - begin,
        done=answer.done - begin,
        status=answer.status,
        error=answer.error,
        mark=answer.mark,
        arm=request.arm,
    )


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
