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
"""Seconds to wait for a steady state; without one the drill is not started."""
WELL_WITHIN = 90.0
"""Seconds after the repair until all must be healthy; later, a person must check."""
POLL = 0.05

Progress = Callable[[str], None]


class DrillRun:
    """One drill on one site; `perform` does it. `stop_at_budget`: abort when the error
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
        # Not those that only watch: a drill does nothing there, and goes on without them.
        self.fleet = open_fleet(settings, settings.inventory.having("postgres", "app", "edge"))
        self.recording = Recording()
        self.observer = Observer(settings, self.recording.add_reply)
        self.traffic = UserLoad(settings.service, drill.rate, ranges)
        self.left: list[str] = []
        self.aborted = ""
        self._since = 0.0
        self._undo_started = False

    def perform(self) -> DrillResult:
        """Run the whole drill.

        Raises:
            RunbookError: locked, or a host could not be reached before anything was broken.
            KeyboardInterrupt: Ctrl-C; all is repaired by then.
        """
        started, begin = time.time(), time.monotonic()
        with interrupt.defer(), self.fleet, self.observer, self._hold_lock():
            try:
                result = self._perform_inside()
            except RunbookError as error:
                result = self._result_of_error(error)
            except KeyboardInterrupt:
                if self.left:
                    raise RunbookError(
                        "; ".join(self.left),
                        "interrupted, and not everything is repaired",
                        "fab status",
                    ) from None
                raise
        return add_times(result, started, time.monotonic() - begin)

    def _result_of_error(self, error: RunbookError) -> DrillResult:
        """Not tried if nothing was broken yet; otherwise failed."""
        problem = f"{error.problem}: {error.why}" if error.why else error.problem
        why = problem if isinstance(error, NotPossible) else f"it failed: {problem}"
        if self.recording.fault is None and not self.left:
            return not_tried(self.drill, why)
        return replace(
            not_tried(self.drill, "; ".join([why, *self.left])),
            verdict=FAILED,
            left=tuple(self.left),
        )

    @contextlib.contextmanager
    def _hold_lock(self) -> Iterator[None]:
        """Keep deploys out on a real site. Healers still work: they ignore the lock of a drill."""
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
        self.recording.before = self.observer.take_snapshot()
        target = DrillTarget(self.settings, self.fleet, self.recording.before)
        fault = self.drill.fault(target)
        with self.traffic:
            try:
                fault.prepare(target)
                if not self._wait_until(
                    lambda: self._is_well() and self.traffic.is_calm(CALM), BEGIN_WITHIN
                ):
                    return not_tried(
                        self.drill,
                        f"not started: {self._describe_unwell()} before anything was broken",
                    )
                self.recording.before = self.observer.take_snapshot()
                self._inject_fault(fault, target)
                self._observe_fault(fault, target)
            finally:
                self._repair_fault(fault, target)
            self._watch_load()
        begin, load = self.traffic.begin, self.traffic
        seen = self.recording.observation(begin, load.samples, load.oldest, target.exits)
        return judge_drill(self.drill, seen, self.recording.marks(begin), self.aborted, self.left)

    # -- the phases

    def _inject_fault(self, fault: Fault, target: DrillTarget) -> None:
        self.progress("injecting the fault")
        self.recording.fault = time.monotonic()
        fault.inject(target)
        if (
            fault.unreachable_host
            and (seen := self.observer.last_reply_time(fault.unreachable_host))
            > self.recording.fault
        ):
            self.recording.fault = seen

    def _observe_fault(self, fault: Fault, target: DrillTarget) -> None:
        """Wait until all has recovered; with `hold`, undo the fault after that time first."""
        if self.drill.hold is not None:
            self._wait_until(lambda: False, self.drill.hold)
            self.recording.undone = time.monotonic()
            self._undo_fault(fault, target)
        self._since = time.monotonic()
        self._wait_until(lambda: self._is_over(fault), self.drill.patience)

    def _repair_fault(self, fault: Fault, target: DrillTarget) -> None:
        """Always undo the fault, then wait until healthy. The Ctrl-C that brought us here is
        ignored; another one aborts."""
        self.recording.by_itself = self.recording.recovered is not None
        self.recording.repaired = time.monotonic()
        with interrupt.protect_undo():
            self._undo_fault(fault, target)
            if not wait_until(self._is_well, seconds=WELL_WITHIN, every=POLL):
                self.left.append(f"{self._describe_unwell()} {WELL_WITHIN:.0f} s after the repair")
            wait_until(lambda: self.traffic.is_calm(1.0), seconds=CALM, every=POLL)

    def _undo_fault(self, fault: Fault, target: DrillTarget) -> None:
        self.progress("undoing the fault")
        self._undo_started = True
        try:
            fault.undo(target)
        except NotPossible:
            return  # it was refused, so nothing was broken
        except RunbookError as error:
            self.left.append(
                f"the repair failed: {error.problem}; a fault on a host undoes itself"
                " within 3 minutes"
            )

    # -- observing

    def _wait_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait for a condition; false when the time is over or the drill must be aborted."""
        held = False

        def is_over() -> bool:
            nonlocal held
            self._update_progress()
            held = not self.aborted and condition()
            return held or bool(self.aborted)

        wait_until(is_over, seconds=seconds, every=POLL)
        return held

    def _update_progress(self) -> None:
        """Record when the balancer reacted; abort when the budget is spent; show progress."""
        self._watch_load()
        if self.recording.fault is None:
            return
        snapshot = self.observer.take_snapshot()
        if (
            self.recording.detected is None
            and not self._undo_started
            and snapshot.has_noticed_since(self.recording.before)
        ):
            self.recording.detected = time.monotonic()
        allowed = BUDGET * self.drill.rate * (self.drill.hold or self.drill.patience)
        if self.stop_at_budget and self.traffic.failed > allowed:
            self.aborted = f"the error budget was spent: {self.traffic.failed} failed requests"
        ago = time.monotonic() - self.recording.fault
        self.progress(
            f"{ago:.0f} s after the fault, {self.traffic.failed} of {len(self.traffic.samples)}"
            " requests failed"
        )

    def _watch_load(self) -> None:
        """Abort when the load has failed: without users a drill shows nothing."""
        if self.traffic.error and not self.aborted:
            self.aborted = (
                f"the load failed ({type(self.traffic.error).__name__}: {self.traffic.error})"
            )

    def _is_well(self) -> bool:
        return self.observer.take_snapshot().is_well(floating=self.floating)

    def _is_over(self, fault: Fault) -> bool:
        """Whether all is healthy for CALM seconds. `recovered` is when that time began."""
        snapshot = self.observer.take_snapshot()
        old = any(
            self.recording.pid(self.recording.before, node) == self.recording.pid(snapshot, node)
            for node in fault.restarted_apps
        )
        now = time.monotonic()
        if old or not snapshot.is_well(floating=self.floating):
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

    def _describe_unwell(self) -> str:
        """The first thing that is not healthy, as a sentence."""
        snapshot = self.observer.take_snapshot()
        for edge, seen in snapshot.edges.items():
            if seen is None:
                return f"{edge} did not answer"
            if not seen.nodes:
                return f"the balancer of {edge} did not answer"
            for node, status in seen.nodes.items():
                if not is_up(status):
                    return f"{edge} saw {node} {status}"
        for node, app in snapshot.apps.items():
            if not (app and app.ready):
                return f"the app of {node} was not ready"
        return self.aborted or (
            "some requests of the load failed" if self.traffic.running else "the address moved"
        )
