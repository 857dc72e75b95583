"""A drill as a value: hypothesis, what is broken, what is asked meanwhile, when to stop,
and what must hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ..settings.bounds import PEAK_RATE, STEADY_RATE
from ..settings.requirements import NODE_LOSS
from ..traffic.sample import Sample
from .result import Bound

if TYPE_CHECKING:
    from .target import DrillTarget

PEAK, STEADY = PEAK_RATE, STEADY_RATE
"""Requests per second of a drill's load. One app node takes 100."""

BUDGET = NODE_LOSS.error_share
"""R1: the share of requests that may fail."""


class Fault(Protocol):
    """Something that can be broken and mended again."""

    @property
    def hurt(self) -> tuple[str, ...]:
        """App nodes whose process must be another one before all is well."""

    @property
    def dark(self) -> str:
        """A host that is not seen any more: the fault began when it was seen last."""

    def prepare(self, stage: DrillTarget) -> None:
        """All that is no fault yet, and the way back for when we die. NotPossible when it cannot
        be made here."""

    def inject(self, stage: DrillTarget) -> None:
        """Break it. RunbookError when that did not work."""

    def undo(self, stage: DrillTarget) -> None:
        """Mend it; harmless when it was not broken, or mended itself. RunbookError when that did
        not work."""


@dataclass(frozen=True)
class ProcessSample:
    """What an app node said of its app at the time `t`: the process' number (0: none), and
    whether it is ready."""

    t: float
    pid: int
    ready: bool


@dataclass(frozen=True)
class Observation:
    """Everything a drill is judged by. Times are seconds since the load's begin.

    `fault` is when it began, `undone` when the drill ended it; `detected` when the balancer that
    serves took note, `recovered` since when all was well for good, `by_itself` when the drill had
    no part in it. `lives` are the app nodes' own words, `before` each app's process before the
    fault; `outs` tells how often a node was taken out of service, `drained` which ones were
    drained. `oldest` is the age of the oldest cached answer, in seconds. `exit` is the exit
    code of the task that was the fault.
    """

    samples: Sequence[Sample]
    fault: float
    undone: float | None = None
    detected: float | None = None
    recovered: float | None = None
    by_itself: bool = True
    lives: Mapping[str, Sequence[ProcessSample]] = field(default_factory=dict)
    before: Mapping[str, int] = field(default_factory=dict)
    outs: Mapping[str, int] = field(default_factory=dict)
    drained: frozenset[str] = frozenset()
    oldest: float | None = None
    exit: int | None = None


Rule = Callable[[Observation], Bound]
"""Pure: one thing that must hold, held against what was observed."""


@dataclass(frozen=True)
class Drill:
    """One drill.

    `fault` chooses its victims when it is called, and raises NotPossible where it cannot be made.
    With `hold` (seconds) the drill ends the fault after so long; without, it must pass by itself
    within `patience` seconds: longer, and the drill aborts and repairs. `rate` is in requests a
    second. `locks`: on a real site the deploy lock is held for the whole drill (the task that is
    the fault takes its own).
    """

    name: str
    hypothesis: str
    fault: Callable[[DrillTarget], Fault]
    rules: tuple[Rule, ...]
    requirements: tuple[str, ...] = ("R1",)
    rate: float = PEAK
    hold: float | None = None
    patience: float = 60.0
    locks: bool = True

    @property
    def abort(self) -> str:
        """The condition that ends it early, in words."""
        most = round(BUDGET * self.rate * (self.hold or self.patience))
        wait = "" if self.hold else f"not well after {self.patience:.0f} s; "
        return f"{wait}on a real site after {most} failures"
