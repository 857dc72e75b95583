"""The users of a drill: a mixed open-loop load on the service's address, in its own thread."""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
import time
from collections.abc import Iterator, Mapping

from ..engine.secret import Secret
from ..settings.service import Service
from .calls import CallMaker
from .clean_up import clean_up
from .client import Client, Request, Response, open_client
from .dates import parse_http_date
from .load import mix_calls, offer_load
from .own_rows import open_ledgers
from .ranges import find_ranges
from .sample import Sample
from .users_mix import UsersMix
from .values import Range

TIMEOUT = 10.0
"""Seconds a user waits for an answer, as in the acceptance."""
LONGEST = 900.0
"""Seconds after which a load ends, even if the drill never stops it."""


class UserLoad:
    """Requests of `program` at `rate` per second for as long as the context lasts. `begin`
    (time.monotonic) is time zero of the samples.

    `ranges`: the numbers that exist, by value. What is missing is searched, for the next drill too.
    `headers`: of every request.
    """

    def __init__(
        self,
        address: str,
        program: Service,
        rate: float,
        ranges: dict[str, Range],
        headers: Mapping[str, Secret],
    ) -> None:
        self.address, self.program, self.rate = address, program, rate
        self.ranges, self.headers = ranges, headers
        self.samples: list[Sample] = []
        self.begin = 0.0
        self.failed = 0
        self.oldest: float | None = None
        self.error: BaseException | None = None
        self._stop, self._begun = threading.Event(), threading.Event()
        self._rng = random.Random()
        self._thread = threading.Thread(target=self._run_loop, name="users")

    def __enter__(self) -> UserLoad:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Send no more requests. Returns when all have ended and our rows are deleted."""
        self._stop.set()
        self._thread.join()

    @property
    def now(self) -> float:
        """Seconds since the load's begin."""
        return time.monotonic() - self.begin

    @property
    def running(self) -> bool:
        """Whether requests are being made."""
        return self._begun.is_set() and self._thread.is_alive()

    def is_calm(self, seconds: float) -> bool:
        """Whether enough requests ended in the last `seconds`, and none of them failed."""
        if not self.running:
            return False
        since = self.now - seconds
        recent = list(
            itertools.takewhile(lambda sample: sample.done >= since, reversed(self.samples))
        )
        return (
            since > 0
            and len(recent) > 0.5 * self.rate * seconds
            and all(sample.ok for sample in recent)
        )

    def _run_loop(self) -> None:
        try:
            asyncio.run(self._work_async())
        except Exception as error:
            self.error = error

    async def _work_async(self) -> None:
        async with open_client(self.address, headers=self.headers) as client:
            calls = CallMaker(self.program, self.ranges, self._rng)
            self.ranges.update(await find_ranges(client, calls))
            mix = UsersMix(calls, open_ledgers(calls))
            try:
                await self._offer_calls(client, mix)
            finally:
                await clean_up(mix.ledgers.values(), client)

    async def _offer_calls(self, client: Client, mix: UsersMix) -> None:
        def on_answer(request: Request, sample: Sample, answer: Response) -> None:
            self.begin = answer.sent - sample.sent
            self._begun.set()
            self._note_answer(mix, request, sample, answer)

        requests = itertools.takewhile(
            lambda request: not self._stop.is_set(), self._make_calls(mix)
        )
        await offer_load(client, requests, rate=self.rate, timeout=TIMEOUT, on_answer=on_answer)

    def _make_calls(self, mix: UsersMix) -> Iterator[Request]:
        return mix_calls(mix.makers(), int(self.rate * LONGEST), self._rng)

    def _note_answer(
        self, mix: UsersMix, request: Request, sample: Sample, answer: Response
    ) -> None:
        self.samples.append(sample)
        self.failed += not sample.ok
        mix.note(request, answer)
        if (
            request.endpoint in mix.cached
            and sample.ok
            and (made := answer_time(answer.headers)) is not None
        ):
            self.oldest = max(self.oldest or 0.0, time.time() - made)


def answer_time(headers: Mapping[str, str]) -> float | None:
    """When the edge asked the app for this answer, by the edge's clock (X-Answered-At); without
    that header, the answer's Date."""
    stamp = headers.get("X-Answered-At", "")
    return float(stamp) if stamp.isdecimal() else parse_http_date(headers.get("Date", ""))
