"""One drill under way: steady state, fault, observation, repair (always), verdict."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace

from ..control.site_front import find_front
from ..engine import interrupt
from ..engine.errors import RunbookError
from ..engine.journal import Run, append_lines
from ..engine.lock import Lock
from ..engine.script_log import ScriptLog
from ..engine.waiting import wait_until
from ..settings.program_texts import ProgramTexts
from ..settings.reach import open_fleet
from ..settings.settings import Settings
from ..traffic.users import UserLoad
from ..traffic.values import Range
from .errors import NotPossible
from .model import Drill, Fault
from .observer import Observer
from .recording import Recording
from .result import FAILED, DrillResult
from .target import DrillTarget
from .verdict import add_times, judge_drill, not_tried
from .watch import CALM, POLL, DrillWatch, Progress

BEGIN_WITHIN = 30.0
"""Seconds to wait for a steady state; without one the drill is not started."""
WELL_WITHIN = 90.0
"""Seconds after the repair until all must be healthy; later, a person must check."""


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
        # Not those that only watch: a drill does nothing there, and goes on without them.
        self.fleet = open_fleet(settings, settings.inventory.having("postgres", "app", "edge"))
        self.run = Run("drill", settings.state / "runs", drill.name)
        self.recording = Recording()
        self.observer = Observer(settings, self.recording.add_reply)
        self.traffic = UserLoad(
            settings.service,
            settings.program,
            drill.rate_of(settings.program.load),
            ranges,
            ProgramTexts(settings).fill_headers(),
        )
        self.watch = DrillWatch(
            drill,
            self.observer,
            self.traffic,
            self.recording,
            progress,
            front=find_front(settings),
            stop_at_budget=stop_at_budget,
        )
        self.left: list[str] = []

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
            if self.recording.fault is not None:
                event = "failed" if result.verdict == FAILED else "changed"
                self._write_journal(event, f"drill {self.drill.name} {result.verdict}")
        return add_times(result, started, time.monotonic() - begin)

    def _result_of_error(self, error: RunbookError) -> DrillResult:
        """Not tried if nothing was broken yet; otherwise failed."""
        problem = f"{error.problem}: {error.why}" if error.why else error.problem
        why = problem if isinstance(error, NotPossible) else f"it failed: {problem}"
        if self.recording.fault is None and not self.left:
            return self._not_tried(why)
        return replace(
            self._not_tried("; ".join([why, *self.left])),
            verdict=FAILED,
            left=tuple(self.left),
        )

    @contextlib.contextmanager
    def _hold_lock(self) -> Iterator[None]:
        """Keep deploys out on a real site. Healers still work: they ignore the lock of a drill."""
        if not (self.stop_at_budget and self.drill.locks):
            yield
            return
        links = [self.fleet.link(node) for node in self.fleet]
        with ScriptLog(self.run), Lock(links, self.run):
            yield

    def _write_journal(self, event: str, text: str) -> None:
        """Write into the journals of the edges: for the history, and for the marks on graphs. An
        edge that cannot be reached goes without."""
        entry = self.run.entry(event, f"drill {self.drill.name}", text)
        edges = self.fleet.having("edge")
        self.fleet.each(lambda edge: self.fleet.link(edge).run(append_lines(entry)), edges)

    def _perform_inside(self) -> DrillResult:
        self.progress("waiting for a steady state")
        if not self.watch.wait_for(self.watch.is_well, BEGIN_WITHIN):
            return self._result_of_unwell()
        self.recording.before = self.observer.take_snapshot()
        target = DrillTarget(self.settings, self.fleet, self.recording.before)
        fault = self.drill.fault(target)
        with self.traffic:
            try:
                fault.prepare(target)
                if not self.watch.wait_for(self.watch.is_steady, BEGIN_WITHIN):
                    return self._result_of_unwell()
                self.recording.before = self.observer.take_snapshot()
                self._inject_fault(fault, target)
                self._observe_fault(fault, target)
            finally:
                self._repair_fault(fault, target)
            self.watch.check_load()
        begin, load = self.traffic.begin, self.traffic
        program = self.settings.program
        seen = self.recording.observation(program, begin, load.samples, load.oldest, target.exits)
        marks = self.recording.marks(begin)
        return judge_drill(self.drill, seen, marks, self.watch.aborted, self.left)

    def _not_tried(self, why: str) -> DrillResult:
        return not_tried(self.drill, self.settings.program.load, why)

    def _result_of_unwell(self) -> DrillResult:
        unwell = self.watch.describe_unwell()
        return self._not_tried(f"not started: {unwell} before anything was broken")

    # -- the phases

    def _inject_fault(self, fault: Fault, target: DrillTarget) -> None:
        self.progress("injecting the fault")
        self._write_journal("begin", f"drill {self.drill.name}")
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
            self.watch.wait_for(lambda: False, self.drill.hold)
            self.recording.undone = time.monotonic()
            self._undo_fault(fault, target)
        self.watch.wait_for_recovery(fault)

    def _repair_fault(self, fault: Fault, target: DrillTarget) -> None:
        """Always undo the fault, then wait until healthy. The Ctrl-C that brought us here is
        ignored; another one aborts."""
        self.recording.without_help = self.recording.recovered is not None
        self.recording.repaired = time.monotonic()
        with interrupt.protect_undo():
            self._undo_fault(fault, target)
            if not wait_until(self.watch.is_well, seconds=WELL_WITHIN, every=POLL):
                unwell = self.watch.describe_unwell()
                self.left.append(f"{unwell} {WELL_WITHIN:.0f} s after the repair")
            wait_until(lambda: self.traffic.is_calm(1.0), seconds=CALM, every=POLL)

    def _undo_fault(self, fault: Fault, target: DrillTarget) -> None:
        self.progress("undoing the fault")
        try:
            fault.undo(target)
        except NotPossible:
            return  # it was refused, so nothing was broken
        except RunbookError as error:
            self.left.append(
                f"the repair failed: {error.problem}; a timer on each host undoes its fault"
                " within 3 minutes"
            )
