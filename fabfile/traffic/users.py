"""The users of a drill: a mixed open-loop load through the service's address, from a thread of
its own."""

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
from .client import Client, Request, Response, open_wire
from .dates import date_of
from .load import mix_calls, offer_load
from .own_rows import OwnRows
from .sample import Sample

TIMEOUT = 10.0
"""Seconds a user waits for an answer, as in the acceptance."""
LONGEST = 900.0
"""Seconds after which a load ends by itself, whatever became of the drill."""


class UserLoad:
    """Requests at `rate` per second for as long as the context lasts. `begin` (of time.monotonic)
    is their time zero.

    `ranges` are the ids that exist, by endpoint; found out when empty, and kept there for the next
    drill.
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
        """No more requests; returns when the last is answered and our own sessions are deleted."""
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

    def calm(self, seconds: float) -> bool:
        """Whether in the last `seconds` requests were answered, and all of them right."""
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
        async with open_wire(self.address) as wire:
            if not all(known.known for known in self.ranges.values()) or not self.ranges:
                found = await asyncio.gather(*(find_range(wire, endpoint) for endpoint in SINGLE))
                self.ranges.update(zip(SINGLE, found, strict=True))
            ledger = OwnRows(self.ranges["R8"], self.ranges["R7"], self.ranges["R6"], self._rng)
            try:
                await self._offer_calls(wire, ledger)
            finally:
                await clean_up(ledger, wire)

    async def _offer_calls(self, wire: Client, ledger: OwnRows) -> None:
        def seen(call: Request, sample: Sample, answer: Response) -> None:
            self.begin = answer.sent - sample.sent
            self._begun.set()
            self._note_answer(ledger, call, sample, answer)

        count = int(self.rate * LONGEST)
        calls = itertools.takewhile(
            lambda call: not self._stop.is_set(), self._make_calls(ledger, count)
        )
        await offer_load(wire, calls, rate=self.rate, timeout=TIMEOUT, seen=seen)

    def _make_calls(self, ledger: OwnRows, count: int) -> Iterator[Request]:
        rng = self._rng
        by_requirement: dict[str, Callable[[], Request]] = {
            "R4": lambda: some_operation(rng),
            "R5": database_call,
            **{id: any_row(id, self.ranges[id], rng) for id in SINGLE},
            "R12": lambda: self._new_session(ledger),
            "R13": lambda: self._delete_session(ledger),
            "R16": cached_call,
        }
        makers = [
            maker
            for id, maker in by_requirement.items()
            for _ in range(SERVICE.required[id].weight)
        ]
        return mix_calls(makers, count, rng)

    def _new_session(self, ledger: OwnRows) -> Request:
        return database_call() if ledger.refusal else ledger.post()

    def _delete_session(self, ledger: OwnRows) -> Request:
        return ledger.delete(self._mine.pop()) if self._mine else self._new_session(ledger)

    def _note_answer(
        self, ledger: OwnRows, call: Request, sample: Sample, answer: Response
    ) -> None:
        self.samples.append(sample)
        self.failed += not sample.ok
        if call.endpoint == "R12" and (number := ledger.posted(call, answer)) is not None:
            self._mine.append(number)
        elif call.endpoint == "R13":
            ledger.deleted(int(call.path.rpartition("/")[2]), answer)
        elif (
            call.endpoint == "R16" and sample.ok and (made := asked_at(answer.headers)) is not None
        ):
            self.oldest = max(self.oldest or 0.0, time.time() - made)


def asked_at(headers: Mapping[str, str]) -> float | None:
    """When the app was asked for an answer, by the edge's clock, which it bears; without that
    the answer's own date."""
    stamp = headers.get("X-Answered-At", "")
    return float(stamp) if stamp.isdecimal() else date_of(headers.get("Date", ""))
