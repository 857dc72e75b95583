"""What a check has collected so far, and the requests it makes one at a time."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..settings.service import Service
from ..traffic.calls import CallMaker
from ..traffic.client import Client, Request, Response
from ..traffic.load import Load
from ..traffic.own_rows import OwnRows, RowId
from ..traffic.retry import ask_alone, no_answer
from ..traffic.sample import Sample, Watch
from .freshness import Freshness, FreshnessProbe
from .plan import Plan

ALONE = "alone"
"""Key of the samples of single-row requests that were made outside a load."""


@dataclass(kw_only=True)
class CheckRun:
    """One run of the acceptance check. The keys of the dictionaries are ids of endpoints, if
    nothing else is said.

    Attributes:
        client: the connection to the service over plain http.
        plan: the size of the run.
        watch: the progress display.
        calls: makes the requests.
        ledgers: the rows that this run created and must delete, by value.
        samples: requests outside the loads; also under ALONE, see there.
        probes: answers by which freshness is judged.
        evidence: what other tests showed about freshness.
        problems: what failed apart from single requests.
        loads: the finished load phases by name.
        first_listed: by value, the numbers of other rows that the first row of a ledger's list
            names, once known.
    """

    client: Client
    plan: Plan
    watch: Watch
    calls: CallMaker
    ledgers: dict[str, OwnRows]
    samples: defaultdict[str, list[Sample]] = field(default_factory=lambda: defaultdict(list))
    probes: defaultdict[str, list[FreshnessProbe]] = field(
        default_factory=lambda: defaultdict(list)
    )
    evidence: defaultdict[str, list[Freshness]] = field(default_factory=lambda: defaultdict(list))
    problems: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    loads: dict[str, Load] = field(default_factory=dict)
    first_listed: dict[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def program(self) -> Service:
        """The service that is checked."""
        return self.calls.program

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

    async def create_row(
        self, own_rows: OwnRows, fixed: Mapping[str, str] | None = None
    ) -> RowId | None:
        """Create a row, with the values `fixed` and all others drawn, and return its id.

        None if the request failed or the answer does not show the id.
        """
        request = own_rows.post(fixed)
        answer = await self.ask_once(request, timeout=self.plan.timeout)
        return own_rows.posted(request, answer)

    async def delete_row(self, own_rows: OwnRows, number: RowId) -> bool:
        """Delete a row of this run; True if the service accepted it."""
        request = own_rows.delete(number)
        answer = await self.ask_once(request, timeout=self.plan.timeout)
        own_rows.deleted(request, answer)
        return not answer.error
