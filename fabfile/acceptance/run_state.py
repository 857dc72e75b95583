"""What a check has collected so far, and the requests it makes one at a time."""

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
"""Key of the samples of single-row requests that were made outside a load."""


@dataclass(kw_only=True)
class CheckRun:
    """One run of the acceptance check. The keys of the dictionaries are requirement ids.

    Attributes:
        client: the connection to the service over plain http.
        plan: the size of the run.
        watch: the progress display.
        rng: the source of every random choice.
        ranges: which ids exist.
        own_rows: the sessions that this run created and must delete.
        samples: requests outside the loads; also under ALONE, see there.
        probes: answers by which freshness is judged.
        evidence: what other tests showed about freshness.
        problems: what failed apart from single requests.
        loads: the finished load phases by name.
        first_listed: customer and movie of the first session in the session list, once known.
    """

    client: Client
    plan: Plan
    watch: Watch
    rng: random.Random
    ranges: dict[str, Range]
    own_rows: OwnRows
    samples: defaultdict[str, list[Sample]] = field(default_factory=lambda: defaultdict(list))
    probes: defaultdict[str, list[FreshnessProbe]] = field(
        default_factory=lambda: defaultdict(list)
    )
    evidence: defaultdict[str, list[Freshness]] = field(default_factory=lambda: defaultdict(list))
    problems: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    loads: dict[str, Load] = field(default_factory=dict)
    first_listed: tuple[int, int] | None = None

    async def ask_once(
        self, request: Request, *, timeout: float, seek: bytes = b"", sample_key: str = ""
    ) -> Response:
        """Make one request and keep its sample, under the request's endpoint or `sample_key`."""
        due = asyncio.get_running_loop().time()
        answer = await self.client.ask(request, timeout=timeout, due=due, seek=seek)
        sample = Sample(
            endpoint=request.endpoint,
            intended=due,
            woke=due,
            sent=answer.sent,
            done=answer.done,
            status=answer.status,
            error=answer.error,
            mark=answer.mark,
        )
        self.samples[sample_key or request.endpoint].append(sample)
        self.watch.saw(sample)
        return answer

    async def ask_until_answered(self, request: Request) -> Response:
        """Repeat a request until it is answered; giving up is a problem of its requirement."""
        answer = await ask_alone(self.client, request, self.keep_alone)
        if answer.error and not self.problems[request.endpoint]:
            self.problems[request.endpoint].append(no_answer(answer))
        return answer

    def keep_alone(self, sample: Sample) -> None:
        """Keep the sample of a single-row request outside the loads."""
        self.samples[ALONE].append(sample)
        self.watch.saw(sample)

    async def create_session(self, customer: int = 0, movie: int = 0) -> int | None:
        """Create a session (0: of a random customer or movie) and return its id.

        None if the request failed or the answer does not show the id.
        """
        request = self.own_rows.post(customer, movie)
        answer = await self.ask_once(request, timeout=self.plan.timeout)
        return self.own_rows.posted(request, answer)

    async def delete_session(self, number: int) -> bool:
        """Delete a session of this run; True if the service accepted it."""
        answer = await self.ask_once(self.own_rows.delete(number), timeout=self.plan.timeout)
        self.own_rows.deleted(number, answer)
        return not answer.error
