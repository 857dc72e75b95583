"""One request of the gate's probe, and what a right answer to it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..roles.gate_calls import GateCall, list_pages, list_reads
from ..settings.service import Service


class GateSample(NamedTuple):
    """One request of the probe; `status` is 000 if no answer came in time, and ends with ! if the
    body is wrong."""

    word: str
    """The call, as `app-gate` names it."""
    status: str
    microseconds: int
    call: GateCall | None = None

    @property
    def good(self) -> bool:
        """Whether the app answered as it should."""
        right = self.call.right if self.call else (200,)
        absent = self.call.absent if self.call else ()
        return self.status in map(str, right + absent) or self.status in [f"{a}!" for a in absent]

    @property
    def title(self) -> str:
        """The call as people write it."""
        return f"GET {self.word}" if self.word.startswith("/") or not self.call else self.call.title


def select_samples(service: Service, lines: Sequence[Sequence[str]], kind: str) -> list[GateSample]:
    """The requests in the output of `app-gate`; `kind`: `ask` or `watch`."""
    calls = [*list_pages(service), *list_reads(service)]

    def find_call(word: str) -> GateCall | None:
        return next((call for call in calls if call.is_named_by(word)), None)

    return [
        GateSample(line[1], line[2], int(line[3]), find_call(line[1]))
        for line in lines
        if line[0] == kind
    ]
