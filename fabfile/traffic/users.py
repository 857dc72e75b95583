"""The users of a drill: a mixed open-loop load on the service's address, in its own thread."""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping

from ..settings.bingo import SERVICE
from .calls import (
    SINGLE,
    Range,
    any_row,
    cached_call,
    database_call,
    find_range,
    some_operation,
)
from .clean_up import clean_up
from .client import Client, Request, Response, open_client
from .dates import parse_http_date
from .load import mix_calls, offer_load
from .own_rows import OwnRows
from .sample import Sample

TIMEOUT = 10.0
"""Seconds a user waits for an answer, as in the acceptance."""
LONGEST = 900.0
"""Seconds after which a load ends, even if the drill never stops it."""


class UserLoad:
    """Requests at `rate` per second for as long as the context lasts. `begin`
    (time.monotonic) is time zero of the samples.

    `ranges`: the ids that exist, by endpoint. An empty one is filled, for the next drill too.
    """

    def __init__(self, address: str, rate: float, ranges: dict[str, Range]) -> None:
        self.address, self.rate, self.ranges = address, rate, ranges
        self.samples: list[Sample] = []
        self.begin = 0.0
        self.failed = 0
        self.oldest: float | None = None
        self.error: BaseException | None = None
        self._stop, self._begun = threading.Event(), threading.Event()
        self._rng = random.Random()
        self._mine: list[int] = []
        self._thread = threading.Thread(target=self._run_loop, name="users")

    def __enter__(self) -> UserLoad:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Send no more requests. Returns when all have ended and our sessions are deleted."""
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
        async with open_client(self.address) as client:
            if not all(known.known for known in self.ranges.values()) or not self.ranges:
                found = await asyncio.gather(*(find_range(client, endpoint) for endpoint in SINGLE))
                self.ranges.update(zip(SINGLE, found, strict=True))
            own_rows = OwnRows(self.ranges["R8"], self.ranges["R7"], self.ranges["R6"], self._rng)
            try:
                await self._offer_calls(client, own_rows)
            finally:
                await clean_up(own_rows, client)

    async def _offer_calls(self, client: Client, own_rows: OwnRows) -> None:
        def on_answer(request: Request, sample: Sample, answer: Response) -> None:
            self.begin = answer.sent - sample.sent
            self._begun.set()
            self._note_answer(own_rows, request, sample, answer)

        count = int(self.rate * LONGEST)
        requests = itertools.takewhile(
            lambda request: not self._stop.is_set(), self._make_calls(own_rows, count)
        )
        await offer_load(client, requests, rate=self.rate, timeout=TIMEOUT, on_answer=on_answer)

    def _make_calls(self, own_rows: OwnRows, count: int) -> Iterator[Request]:
        rng = self._rng
        by_requirement: dict[str, Callable[[], Request]] = {
            "R4": lambda: some_operation(rng),
            "R5": database_call,
            **{id: any_row(id, self.ranges[id], rng) for id in SINGLE},
            "R12": lambda: self._new_session(own_rows),
            "R13": lambda: self._delete_session(own_rows),
            "R16": cached_call,
        }
        makers = [
            maker
            for id, maker in by_requirement.items()
            for _ in range(SERVICE.by_requirement[id].sample.weight)
        ]
        return mix_calls(makers, count, rng)

    def _new_session(self, own_rows: OwnRows) -> Request:
        return database_call() if own_rows.refusal else own_rows.post()

    def _delete_session(self, own_rows: OwnRows) -> Request:
        return own_rows.delete(self._mine.pop()) if self._mine else self._new_session(own_rows)

    def _note_answer(
        self, own_rows: OwnRows, request: Request, sample: Sample, answer: Response
    ) -> None:
        self.samples.append(sample)
        self.failed += not sample.ok
        if request.endpoint == "R12" and (number := own_rows.posted(request, answer)) is not None:
            self._mine.append(number)
        elif request.endpoint == "R13":
            own_rows.deleted(int(request.path.rpartition("/")[2]), answer)
        elif (
            request.endpoint == "R16"
            and sample.ok
            and (made := answer_time(answer.headers)) is not None
        ):
            self.oldest = max(self.oldest or 0.0, time.time() - made)


def answer_time(headers: Mapping[str, str]) -> float | None:
    """When the edge asked the app for this answer, by the edge's clock (X-Answered-At); without
    that header, the answer's Date."""
    stamp = headers.get("X-Answered-At", "")
    return float(stamp) if stamp.isdecimal() else parse_http_date(headers.get("Date", ""))
