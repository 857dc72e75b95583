"""A drill as a value: hypothesis, fault, load, abort condition and rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ..settings.load import PromisedLoad
from ..settings.service import Service
from ..traffic.sample import Sample
from .result import Bound

if TYPE_CHECKING:
    from .target import DrillTarget

PEAK, STEADY = "peak", "steady"
"""R3: the loads that the service carries for a minute, and permanently."""


class Fault(Protocol):
    """Something that a drill breaks and repairs."""

    @property
    def restarted_apps(self) -> tuple[str, ...]:
        """App nodes that have recovered only when their app runs as a new process."""

    @property
    def unreachable_host(self) -> str:
        """The host that the fault makes unreachable: the fault is dated from its last reply."""

    def prepare(self, target: DrillTarget) -> None:
        """Everything before the fault, with an undo timer on the hosts in case the drill is killed.
        Raises NotPossible when the fault cannot be made here."""

    def inject(self, target: DrillTarget) -> None:
        """Break it. Raises RunbookError when that fails."""

    def undo(self, target: DrillTarget) -> None:
        """Repair it; harmless when it is not broken. Raises RunbookError when that fails."""


@dataclass(frozen=True)
class ProcessSample:
    """The app of a node at the time `t`: its pid (0: no process), and whether it is ready."""

    t: float
    pid: int
    ready: bool


@dataclass(frozen=True)
class Observation:
    """Everything a drill is judged by. Times are seconds since the start of the load.

    `program`: what was drilled. `fault`: when it began. `undone`: when the drill ended it.
    `detected`: when the serving balancer reacted. `recovered`: since when all was healthy until the
    end; `without_help`: before the drill's repair. `process_samples`: the app of each node over
    time. `pids_before`: each app's pid before the fault. `times_out_of_service`: how often each
    node was taken out of service. `drained`: the nodes that were drained. `oldest`: age of the
    oldest cached answer, in seconds. `exit`: exit code of the task that was run as the fault.
    """

    program: Service
    samples: Sequence[Sample]
    fault: float
    undone: float | None = None
    detected: float | None = None
    recovered: float | None = None
    without_help: bool = True
    process_samples: Mapping[str, Sequence[ProcessSample]] = field(default_factory=dict)
    pids_before: Mapping[str, int] = field(default_factory=dict)
    times_out_of_service: Mapping[str, int] = field(default_factory=dict)
    drained: frozenset[str] = frozenset()
    oldest: float | None = None
    exit: int | None = None


Rule = Callable[[Observation], Bound]
"""A pure function that judges one bound of an observation."""


@dataclass(frozen=True)
class Drill:
    """One drill.

    `fault` chooses its victims when it is called, and raises NotPossible where it cannot be made.
    With `hold` (seconds) the drill ends the fault after so long. Without it, the site must recover
    without help within `patience` seconds; after that the drill aborts and repairs. `load` is the
    PEAK or the STEADY load of the service. `locks`: on a real site the deploy lock
    is held for the whole drill (the task that is the fault takes its own).
    """

    name: str
    hypothesis: str
    fault: Callable[[DrillTarget], Fault]
    rules: tuple[Rule, ...]
    requirements: tuple[str, ...] = ("R1",)
    load: str = PEAK
    hold: float | None = None
    patience: float = 60.0
    locks: bool = True

    def rate_of(self, load: PromisedLoad) -> float:
        """Requests per second."""
        return load.peak if self.load == PEAK else load.steady

    def allowed_failures(self, load: PromisedLoad) -> float:
        """R1: how many requests may fail while it lasts; more abort it on a real site."""
        return load.error_share * self.rate_of(load) * (self.hold or self.patience)

    def describe_abort(self, load: PromisedLoad) -> str:
        """The abort condition, as text."""
        wait = "" if self.hold else f"not recovered after {self.patience:.0f} s; "
        return f"{wait}on a real site after {round(self.allowed_failures(load))} failures"
