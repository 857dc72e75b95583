"""Watch a drill: are the site and its users well, and must the drill be aborted?"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ..control.front import Front
from ..engine.waiting import wait_until
from ..traffic.users import UserLoad
from .model import Drill, Fault
from .observer import Observer
from .recording import Recording

CALM = 3.0
"""Seconds without a failure that count as a steady state, before and after."""
POLL = 0.05

Progress = Callable[[str], None]


@dataclass
class DrillWatch:
    """What the hosts and the load of one drill show.

    Attributes:
        front: how users reach the edges.
        stop_at_budget: whether a spent error budget aborts the drill (a real site).
        aborted: why the drill must end; empty while it may go on.
    """

    drill: Drill
    observer: Observer
    traffic: UserLoad
    recording: Recording
    progress: Progress
    front: Front
    stop_at_budget: bool
    aborted: str = ""
    _since: float = field(default=0.0, init=False)
    """Since when (time.monotonic) all hosts are healthy."""

    def is_well(self) -> bool:
        """Whether all hosts are healthy now."""
        return self.observer.take_snapshot().is_well(self.front)

    def is_steady(self) -> bool:
        """Whether all hosts are healthy, and no request failed for CALM seconds."""
        return self.is_well() and self.traffic.is_calm(CALM)

    def wait_for(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait for a condition; false when the time is over or the drill must be aborted."""
        held = False

        def is_over() -> bool:
            nonlocal held
            self._update_progress()
            held = not self.aborted and condition()
            return held or bool(self.aborted)

        wait_until(is_over, seconds=seconds, every=POLL)
        return held

    def wait_for_recovery(self, fault: Fault) -> None:
        """Wait until the site has recovered from `fault`, for the drill's patience at most."""
        self._since = time.monotonic()
        self.wait_for(lambda: self._has_recovered(fault), self.drill.patience)

    def check_load(self) -> None:
        """Abort when the load has failed: without users a drill shows nothing."""
        if self.traffic.error and not self.aborted:
            self.aborted = (
                f"the load failed ({type(self.traffic.error).__name__}: {self.traffic.error})"
            )

    def describe_unwell(self) -> str:
        """The first thing that is not healthy, as a sentence."""
        return (
            self.observer.take_snapshot().describe_unwell()
            or self.aborted
            or ("some requests of the load failed" if self.traffic.running else "the address moved")
        )

    def _update_progress(self) -> None:
        """Record when the balancer reacted; abort when the budget is spent; show progress."""
        self.check_load()
        if self.recording.fault is None:
            return
        if (
            self.recording.detected is None
            and not self.recording.undo_began
            and self.observer.take_snapshot().has_noticed_since(self.recording.before)
        ):
            self.recording.detected = time.monotonic()
        allowed = self.drill.allowed_failures(self.traffic.program.load)
        if self.stop_at_budget and self.traffic.failed > allowed:
            self.aborted = f"the error budget was spent: {self.traffic.failed} failed requests"
        ago = time.monotonic() - self.recording.fault
        self.progress(
            f"{ago:.0f} s after the fault, {self.traffic.failed} of {len(self.traffic.samples)}"
            " requests failed"
        )

    def _has_recovered(self, fault: Fault) -> bool:
        """Whether all is healthy for CALM seconds. `recovered` is when that time began."""
        snapshot = self.observer.take_snapshot()
        old = any(
            self.recording.pid(self.recording.before, node) == self.recording.pid(snapshot, node)
            for node in fault.restarted_apps
        )
        now = time.monotonic()
        if old or not snapshot.is_well(self.front):
            self.recording.recovered = None
            self._since = now
            return False
        if not (now - self._since >= CALM and self.traffic.is_calm(CALM)):
            return False
        fails = [sample.intended for sample in self.traffic.samples if not sample.ok]
        last = self.traffic.begin + max(fails, default=0.0)
        self.recording.recovered = max(
            self._since, last, self.recording.undone or self.recording.fault or 0.0
        )
        return True
