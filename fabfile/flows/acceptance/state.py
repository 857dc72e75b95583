"""What a run has seen so far."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from dataclasses import dataclass, field

from .freshness import Freshness, Look
from .load import Load
from .plan import Plan
from .sample import Sample, Watch
from .targets import Range
from .wire import Answer, Call, Wire
from .writes import Ledger


@dataclass
class Run:
    """One run: its tools, and per requirement the samples, looks, and what was shown or went wrong on the way."""

    wire: Wire
    plan: Plan
    watch: Watch
    rng: random.Random
    ranges: dict[str, Range]
    ledger: Ledger
    samples: defaultdict[str, list[Sample]] = field(default_factory=lambda: defaultdict(list))
    looks: defaultdict[str, list[Look]] = field(default_factory=lambda: defaultdict(list))
    shown: defaultdict[str, list[Freshness]] = field(default_factory=lambda: defaultdict(list))
    problems: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    loads: dict[str, Load] = field(default_factory=dict)
    on_top: tuple[int, int] | None = None

    async def ask(self, call: Call, *, timeout: float, seek: bytes = b"", kept: str = "") -> Answer:
        """Ask one at a time, and keep the sample under the call's endpoint, or under `kept`."""
        due = asyncio.get_running_loop().time()
        answer = await self.wire.ask(call, timeout=timeout, due=due, seek=seek)
        sample = Sample(call.endpoint, due, due, answer.sent, answer.done, answer.status, answer.error, answer.mark)
        self.samples[kept or call.endpoint].append(sample)
        self.watch.saw(sample)
        return answer

    async def post(self, call: Call | None = None) -> int | None:
        """Make a session of our own; None when it failed or its id is not known."""
        return self.ledger.posted(await self.ask(call or self.ledger.post(), timeout=self.plan.timeout))

    async def delete(self, number: int) -> bool:
        """Delete a session of our own; whether the service said yes."""
        answer = await self.ask(self.ledger.delete(number), timeout=self.plan.timeout)
        self.ledger.deleted(number, answer)
        return not answer.error
