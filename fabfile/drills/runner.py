"""One drill under way: steady state, fault, observation, repair (always), verdict."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from ..engine import interrupt
from ..engine.errors import RunbookError
from ..engine.journal import Run
from ..engine.lock import Lock
from ..engine.script_log import ScriptLog
from ..engine.waiting import wait_until
from ..settings.reach import open_fleet
from ..settings.settings import Settings
from ..traffic.calls import Range
from ..traffic.users import UserLoad
from .errors import NotPossible
from .model import BUDGET, Drill, Fault
from .observer import Observer, is_up
from .recording import Recording
from .result import FAILED, DrillResult
from .target import DrillTarget
from .verdict import add_times, judge_drill, not_tried

CALM = 3.0
"""Seconds without a failure that count as a steady state, before and after."""
BEGIN_WITHIN = 30.0
"""Seconds in which a steady state must come about, or the drill is not begun."""
WELL_WITHIN = 90.0
"""Seconds after the repair in which all must be well, or somebody must look."""
POLL = 0.05

Progress = Callable[[str], None]


class DrillRun:
    """One drill on one site; `perform` does it. `stop_at_budget`: break off when the error
    budget is spent (a real site)."""

    def __init__(
        self,
        drill: Drill,
        settings: Settings,
        progress: Progress,
        ranges: dict[str, Range],
        *,
        stop_at_budget: bool,
    ) -> None:
        self.drill, self.settings, self.progress = drill, settings, progress
        self.stop_at_budget = stop_at_budget
        self.floating = bool(settings.edge.address)
        self.fleet = open_fleet(settings, settings.inventory.nodes)
        self.record = Recording()
        self.eyes = Observer(settings, self.record.tell)
        self.traffic = UserLoad(settings.service, drill.rate, ranges)
        self.left: list[str] = []
        self.aborted = ""
        self._since = 0.0
        self._mended = False

    def perform(self) -> DrillResult:
        """The whole drill.

        Raises:
            RunbookError: locked, or a host could not be reached before anything was broken.
            KeyboardInterrupt: Ctrl-C; all is repaired by then.
        """
        started, begin = time.time(), time.monotonic()
        with interrupt.defer(), self.fleet, self.eyes, self._hold_lock():
            try:
                result = self._perform_inside()
            except RunbookError as error:
                result = self._given_up(error)
            except KeyboardInterrupt:
                if self.left:
                    raise RunbookError(
                        "; ".join(self.left),
                        "interrupted, and not everything is repaired",
                        "fab status",
                    ) from None
                raise
        return add_times(result, started, time.monotonic() - begin)

    def _given_up(self, error: RunbookError) -> DrillResult:
        """Before anything was broken it was not tried; afterwards it did not hold."""
        said = f"{error.problem}: {error.why}" if error.why else error.problem
        why = said if isinstance(error, NotPossible) else f"it could not be made: {said}"
        if self.record.fault is None and not self.left:
            return not_tried(self.drill, why)
        return replace(
            not_tried(self.drill, "; ".join([why, *self.left])),
            verdict=FAILED,
            left=tuple(self.left),
        )

    @contextlib.contextmanager
    def _hold_lock(self) -> Iterator[None]:
        """On a real site no deploy meanwhile. (Healers go on: a lock that is a drill's does not
        concern them.)"""
        if not (self.stop_at_budget and self.drill.locks):
            yield
            return
        run = Run("drill", self.settings.state / "runs", self.drill.name)
        with ScriptLog(run), Lock([self.fleet.link(node) for node in self.fleet], run):
            yield

    def _perform_inside(self) -> DrillResult:
        self.progress("waiting for a steady state")
        if not self._wait_until(self._is_well, BEGIN_WITHIN):
            return not_tried(
                self.drill, f"not started: {self._describe_unwell()} before anything was broken"
            )
        self.record.before = self.eyes.sight()
        stage = DrillTarget(self.settings, self.fleet, self.record.before)
        fault = self.drill.fault(stage)
        with self.traffic:
            try:
                fault.prepare(stage)
                if not self._wait_until(
                    lambda: self._is_well() and self.traffic.calm(CALM), BEGIN_WITHIN
                ):
                    return not_tried(
                        self.drill,
                        f"not started: {self._describe_unwell()} before anything was broken",
                    )
                self.record.before = self.eyes.sight()
                self._break_it(fault, stage)
                self._observe_fault(fault, stage)
            finally:
                self._repair_fault(fault, stage)
            self._watch_load()
        begin, load = self.traffic.begin, self.traffic
        seen = self.record.observation(begin, load.samples, load.oldest, stage.exits)
        return judge_drill(self.drill, seen, self.record.marks(begin), self.aborted, self.left)

    # -- the phases

    def _break_it(self, fault: Fault, stage: DrillTarget) -> None:
        self.progress("breaking it")
        self.record.fault = time.monotonic()
        fault.inject(stage)
        if fault.dark and (seen := self.eyes.last(fault.dark)) > self.record.fault:
            self.record.fault = seen

    def _observe_fault(self, fault: Fault, stage: DrillTarget) -> None:
        """Until it is over by itself, or the drill ends it and it is over then."""
        if self.drill.hold is not None:
            self._wait_until(lambda: False, self.drill.hold)
            self.record.undone = time.monotonic()
            self._undo_fault(fault, stage)
        self._since = time.monotonic()
        self._wait_until(lambda: self._is_over(fault), self.drill.patience)

    def _repair_fault(self, fault: Fault, stage: DrillTarget) -> None:
        """Whatever has happened: mended, and looked at until all is well. The Ctrl-C that led
        here does not end it, a new one does."""
        self.record.by_itself = self.record.recovered is not None
        self.record.repaired = time.monotonic()
        with interrupt.protect_undo():
            self._undo_fault(fault, stage)
            if not wait_until(self._is_well, seconds=WELL_WITHIN, every=POLL):
                self.left.append(f"{self._describe_unwell()} {WELL_WITHIN:.0f} s after the repair")
            wait_until(lambda: self.traffic.calm(1.0), seconds=CALM, every=POLL)

    def _undo_fault(self, fault: Fault, stage: DrillTarget) -> None:
        self.progress("mending it")
        self._mended = True
        try:
            fault.undo(stage)
        except NotPossible:
            return  # so it was not made either
        except RunbookError as error:
            self.left.append(
                f"the repair failed: {error.problem}; a fault on a host undoes itself"
                " within 3 minutes"
            )

    # -- looking

    def _wait_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait for it, looking on; false when the time is over or the drill must be broken off."""
        held = False

        def is_over() -> bool:
            nonlocal held
            self._update_progress()
            held = not self.aborted and condition()
            return held or bool(self.aborted)

        wait_until(is_over, seconds=seconds, every=POLL)
        return held

    def _update_progress(self) -> None:
        """Has the balancer that serves taken note? Is the budget spent? And a word of progress."""
        self._watch_load()
        if self.record.fault is None:
            return
        sight = self.eyes.sight()
        if self.record.detected is None and not self._mended and sight.noticed(self.record.before):
            self.record.detected = time.monotonic()
        allowed = BUDGET * self.drill.rate * (self.drill.hold or self.drill.patience)
        if self.stop_at_budget and self.traffic.failed > allowed:
            self.aborted = f"the error budget was spent: {self.traffic.failed} failed requests"
        ago = time.monotonic() - self.record.fault
        self.progress(
            f"{ago:.0f} s after the fault, {self.traffic.failed} of {len(self.traffic.samples)}"
            " requests failed"
        )

    def _watch_load(self) -> None:
        """Without users nothing is shown."""
        if self.traffic.error and not self.aborted:
            self.aborted = (
                f"the load failed ({type(self.traffic.error).__name__}: {self.traffic.error})"
            )

    def _is_well(self) -> bool:
        return self.eyes.sight().well(floating=self.floating)

    def _is_over(self, fault: Fault) -> bool:
        """All is as before, for CALM seconds by now; since when goes to `recovered`."""
        sight = self.eyes.sight()
        old = any(
            self.record.pid(self.record.before, node) == self.record.pid(sight, node)
            for node in fault.hurt
        )
        now = time.monotonic()
        if old or not sight.well(floating=self.floating):
            self.record.recovered = None
            self._since = now
            return False
        if not (now - self._since >= CALM and self.traffic.calm(CALM)):
            return False
        fails = [sample.intended for sample in self.traffic.samples if not sample.ok]
        last = self.traffic.begin + max(fails, default=0.0)
        self.record.recovered = max(
            self._since, last, self.record.undone or self.record.fault or 0.0
        )
        return True

    def _describe_unwell(self) -> str:
        """What is not well, in words."""
        sight = self.eyes.sight()
        for edge, seen in sight.edges.items():
            if seen is None:
                return f"{edge} was not seen"
            if not seen.nodes:
                return f"the balancer of {edge} did not answer"
            for node, status in seen.nodes.items():
                if not is_up(status):
                    return f"{edge} saw {node} {status}"
        for node, app in sight.apps.items():
            if not (app and app.ready):
                return f"the app of {node} was not ready"
        return self.aborted or (
            "the load was not answered without a failure"
            if self.traffic.running
            else "the address moved"
        )
