"""Users at work: 120 requests a second through the floating address over kept connections, none
of them tried twice."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import Counter
from collections.abc import Iterator

from deployed import until

from fabfile.traffic.client import Request, Response, open_client
from fabfile.traffic.load import Load, offer_load
from fabfile.traffic.sample import Sample

CALLS = (
    Request("db_dummy", "GET", "/db_dummy"),
    Request("movie", "GET", "/api/movie/7"),
    Request("customer", "GET", "/api/customer/7"),
    Request("operation", "POST", "/operation", b'{"operation": 7}'),
)


class Users:
    """At work for as long as the context lasts; afterwards `failed`, `asked` and `gap` tell how
    they fared."""

    def __init__(self, address: str, rate: float = 120) -> None:
        self.address, self.rate = address, rate
        self.load: Load | None = None
        self._leave, self._right = threading.Event(), 0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._work()))

    def __enter__(self) -> Users:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._leave.set()
        self._thread.join()

    async def _work(self) -> None:
        async with open_client(self.address) as wire:
            self.load = await offer_load(
                wire,
                self._calls(),
                rate=self.rate,
                timeout=8,
                on_answer=self._count_answer,
            )

    def _calls(self) -> Iterator[Request]:
        return itertools.takewhile(lambda call: not self._leave.is_set(), itertools.cycle(CALLS))

    def _count_answer(self, request: Request, sample: Sample, answer: Response) -> None:
        self._right += not sample.error

    def wait_for_answers(self, seconds: float) -> None:
        """Return when as many right answers came as users get in `seconds` on a good day."""
        enough = self._right + seconds * self.rate
        until(lambda: self._right >= enough, "right answers")

    @property
    def asked(self) -> int:
        """How many requests there were."""
        assert self.load is not None
        return len(self.load.samples)

    @property
    def failed(self) -> Counter[str]:
        """How many did not get a right answer, by how."""
        assert self.load is not None
        return Counter(sample.error for sample in self.load.samples if sample.error)

    @property
    def gap(self) -> float:
        """The longest time in seconds in which nobody got a right answer."""
        assert self.load is not None
        done = sorted(sample.done for sample in self.load.samples if not sample.error)
        return max(later - earlier for earlier, later in itertools.pairwise(done))
