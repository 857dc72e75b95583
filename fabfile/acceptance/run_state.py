"""What a run has seen so far."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from dataclasses import dataclass, field

from ..traffic.calls import Range
from ..traffic.client import Client, Request, Response
from ..traffic.load import Load
from ..traffic.own_rows import OwnRows
from ..traffic.retry import ask_alone, no_answer
from ..traffic.sample import Sample, Watch
from .freshness import Freshness, FreshnessProbe
from .plan import Plan

ALONE = "alone"
"""Key of the samples of single answers that were taken outside a load."""


@dataclass
class CheckRun:
    """One run: its tools, and per requirement the samples, looks, and what was shown or went
    wrong on the way."""

    wire: Client
    plan: Plan
    watch: Watch
    rng: random.Random
    ranges: dict[str, Range]
    ledger: OwnRows
    samples: defaultdict[str, list[Sample]] = field(default_factory=lambda: defaultdict(list))
    looks: defaultdict[str, list[FreshnessProbe]] = field(default_factory=lambda: defaultdict(list))
    shown: defaultdict[str, list[Freshness]] = field(default_factory=lambda: defaultdict(list))
    problems: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    loads: dict[str, Load] = field(default_factory=dict)
    on_top: tuple[int, int] | None = None

    async def ask(
        self, call: Request, *, timeout: float, seek: bytes = b"", kept: str = ""
    ) -> Response:
        """Ask one at a time, and keep the sample under the call's endpoint, or under `kept`."""
        due = asyncio.get_running_loop().time()
        answer = await self.wire.ask(call, timeout=timeout, due=due, seek=seek)
        sample = Sample(
            endpoint=call.endpoint,
            intended=due,
            woke=due,
            sent=answer.sent,
            done=answer.done,
            status=answer.status,
            error=answer.error,
            mark=answer.mark,
        )
        self.samples[kept or call.endpoint].append(sample)
        self.watch.saw(sample)
        return answer

    async def ask_alone(self, call: Request) -> Response:
        """Ask for a single answer until it comes; one that does not in time is a problem of its
        requirement."""
        answer = await ask_alone(self.wire, call, self.keep_alone)
        if answer.error and not self.problems[call.endpoint]:
            self.problems[call.endpoint].append(no_answer(answer))
        return answer

    def keep_alone(self, sample: Sample) -> None:
        """Keep the sample of a request outside the loads."""
        self.samples[ALONE].append(sample)
        self.watch.saw(sample)

    async def post(self, customer: int = 0, movie: int = 0) -> int | None:
        """Make a session of our own (of some customer and movie by default); None if it failed
        or its id is not known."""
        call = self.ledger.post(customer, movie)
        return self.ledger.posted(call, await self.ask(call, timeout=self.plan.timeout))

    async def delete(self, number: int) -> bool:
        """Delete a session of our own; whether the service said yes."""
        answer = await self.ask(self.ledger.delete(number), timeout=self.plan.timeout)
        self.ledger.deleted(number, answer)
        return not answer.error
