"""One drill under way: steady state, fault, observation, repair (always), verdict."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator

from ...engine import interrupt
from ...engine.errors import RunbookError
from ...engine.fleet import Fleet
from ...engine.journal import Run
from ...engine.lock import Lock
from ...settings import Settings
from ..acceptance.targets import Range
from .drill import BUDGET, Drill, Fault, Life, NotPossible, Observation
from .eyes import AppSeen, EdgeSeen, Eyes, Seen, Sight, is_up
from .judge import judge, not_tried, timed
from .mix import Traffic
from .result import DrillResult, Mark
from .stage import Stage

CALM = 3.0
"""Seconds without a failure that count as a steady state, before and after."""
BEGIN_WITHIN = 30.0
"""Seconds in which a steady state must come about, or the drill is not begun."""
WELL_WITHIN = 90.0
"""Seconds after the repair in which all must be well, or somebody must look."""
POLL = 0.05

Progress = Callable[[str], None]


class Performance:
    """One drill on one site; `perform` does it. `stop_at_budget`: break off when the error budget is spent (a real site)."""

    def __init__(
        self, drill: Drill, settings: Settings, progress: Progress, ranges: dict[str, Range], *, stop_at_budget: bool
    ) -> None:
        self.drill, self.settings, self.progress = drill, settings, progress
        self.stop_at_budget = stop_at_budget
        self.floating = bool(settings.edge.address)
        self.fleet = Fleet(settings, settings.inventory.nodes)
        self.eyes = Eyes(settings, self._tell)
        self.traffic = Traffic(settings.service, drill.rate, ranges)
        self.looks: list[tuple[float, str, Seen | None]] = []
        self.marks: list[tuple[float, str]] = []
        self.left: list[str] = []
        self.before = Sight({}, {})
        self.fault_at = self.detected = self.undone = self.recovered = None  # type: float | None
        self.by_itself, self.aborted = True, ""

    def perform(self) -> DrillResult:
        """The whole drill.

        Raises:
            RunbookError: locked, or a host could not be reached before anything was broken.
            KeyboardInterrupt: Ctrl-C; all is repaired by then.
        """
        started, begin = time.time(), time.monotonic()
        with interrupt.deferred(), self.fleet, self.eyes, self._lock():
            try:
                result = self._perform()
            except NotPossible as reason:
                result = not_tried(self.drill, f"{reason.seen}: {reason.why}" if reason.why else reason.seen)
        return timed(result, started, time.monotonic() - begin)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """On a real site no deploy meanwhile. Not on app nodes: a healer stands still where a deploy is at work."""
        others = [node for node in self.fleet if "app" not in node.roles]
        if not (self.stop_at_budget and self.drill.locks):
            yield
            return
        run = Run("drill", self.settings.state / "runs", self.drill.name)
        with Lock([self.fleet.link(node) for node in others], run):
            yield

    def _perform(self) -> DrillResult:
        self.progress("waiting for a steady state")
        if not self._until(self._well, BEGIN_WITHIN):
            return not_tried(self.drill, f"not begun: {self._unwell()} before anything was broken")
        self.before = self.eyes.sight()
        stage = Stage(self.settings, self.fleet, self.before, self.drill.rate)
        fault = self.drill.fault(stage)
        with self.traffic:
            try:
                fault.prepare(stage)
                if not self._until(lambda: self._well() and self.traffic.calm(CALM), BEGIN_WITHIN):
                    return not_tried(self.drill, f"not begun: {self._unwell()} before anything was broken")
                self.before = self.eyes.sight()
                self._break(fault, stage)
                self._observe(fault, stage)
            finally:
                self._repair(fault, stage)
        return self._result(stage)

    # -- the phases ------------------------------------------------------------------------------------------------

    def _break(self, fault: Fault, stage: Stage) -> None:
        self.progress("breaking it")
        self.fault_at = time.monotonic()
        self._mark("fault", self.fault_at)
        fault.inject(stage)
        if fault.dark and (seen := self.eyes.last(fault.dark)) > self.fault_at:
            self.fault_at = seen
            self.marks[-1] = (seen, "fault")

    def _observe(self, fault: Fault, stage: Stage) -> None:
        """Until it is over by itself, or the drill ends it and it is over then."""
        if self.drill.hold is not None:
            self._until(lambda: False, self.drill.hold)
            self.progress("mending it")
            fault.undo(stage)
            self.undone = time.monotonic()
            self._mark("repaired", self.undone)
        self._since = time.monotonic()
        self._until(lambda: self._over(fault), self.drill.patience)

    def _repair(self, fault: Fault, stage: Stage) -> None:
        """Whatever has happened: mended, and looked at until all is well. Ctrl-C does not end this."""
        self.by_itself = self.recovered is not None
        if self.fault_at is not None and not self.by_itself:
            self._mark("repaired", time.monotonic())
        self.progress("repairing")
        try:
            fault.undo(stage)
        except RunbookError as error:
            self.left.append(f"the repair failed: {error.seen}; the hosts do it themselves within 3 minutes")
        if not self._patiently(self._well, WELL_WITHIN):
            self.left.append(f"{self._unwell()} {WELL_WITHIN:.0f} s after the repair")
        self._patiently(lambda: self.traffic.calm(1.0), CALM)

    # -- looking ---------------------------------------------------------------------------------------------------

    def _tell(self, when: float, host: str, seen: Seen | None) -> None:
        self.looks.append((when, host, seen))

    def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait for it, looking on; false when the time is over or the drill must be broken off."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.aborted:
            interrupt.check()
            self._notice()
            if condition():
                return True
            time.sleep(POLL)
        return False

    def _patiently(self, condition: Callable[[], bool], seconds: float) -> bool:
        end = time.monotonic() + seconds
        while not (done := condition()) and time.monotonic() < end:
            time.sleep(POLL)
        return done

    def _notice(self) -> None:
        """Has a balancer taken note? Is the budget spent? And a word of progress."""
        if self.fault_at is None:
            return
        sight = self.eyes.sight()
        if self.detected is None and sight.edges != self.before.edges:
            self.detected = time.monotonic()
            self._mark("detected", self.detected)
        allowed = BUDGET * self.drill.rate * (self.drill.hold or self.drill.patience)
        if self.stop_at_budget and self.traffic.failed > allowed:
            self.aborted = f"the error budget was spent: {self.traffic.failed} failed requests"
        ago = time.monotonic() - self.fault_at
        self.progress(
            f"{ago:.0f} s after the fault, {self.traffic.failed} of {len(self.traffic.samples)} requests failed"
        )

    def _well(self) -> bool:
        return self.eyes.sight().well(floating=self.floating)

    def _over(self, fault: Fault) -> bool:
        """All is as before, for CALM seconds by now; since when goes to `recovered`."""
        sight = self.eyes.sight()
        old = any(self._pid(self.before, node) == self._pid(sight, node) for node in fault.hurt)
        now = time.monotonic()
        if old or not sight.well(floating=self.floating):
            self.recovered = None
            self._since = now
            return False
        if not (now - self._since >= CALM and self.traffic.calm(CALM)):
            return False
        fails = [sample.intended for sample in self.traffic.samples if not sample.ok]
        last = self.traffic.begin + max(fails, default=0.0)
        self.recovered = max(self._since, last, self.undone or self.fault_at or 0.0)
        self._mark("recovered", self.recovered)
        return True

    _since = 0.0

    @staticmethod
    def _pid(sight: Sight, node: str) -> int:
        seen = sight.apps.get(node)
        return seen.pid if seen else 0

    def _unwell(self) -> str:
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
        if self.traffic.error:
            return f"the load failed ({type(self.traffic.error).__name__}: {self.traffic.error})"
        return "the load was not answered without a failure" if self.traffic.running else "the address moved"

    # -- the end ---------------------------------------------------------------------------------------------------

    def _mark(self, what: str, when: float) -> None:
        self.marks.append((when, what))

    def _result(self, stage: Stage) -> DrillResult:
        begin = self.traffic.begin

        def t(when: float | None) -> float | None:
            return None if when is None else when - begin

        lives: dict[str, list[Life]] = defaultdict(list)
        names = {node.name for node in stage.apps}
        for when, host, seen in self.looks:
            if host in names and when >= begin:
                app = seen if isinstance(seen, AppSeen) else AppSeen(0, False)
                lives[host].append(Life(when - begin, app.pid, app.ready))
        observation = Observation(
            samples=sorted(self.traffic.samples, key=lambda sample: sample.intended),
            fault=(self.fault_at or begin) - begin,
            undone=t(self.undone),
            detected=t(self.detected),
            recovered=t(self.recovered),
            by_itself=self.by_itself,
            lives=lives,
            before={node: self._pid(self.before, node) for node in names},
            outs=outs(self.looks, self.fault_at or begin),
            oldest=self.traffic.oldest,
            exit=stage.exits[0] if stage.exits else None,
        )
        marks = tuple(Mark(round(when - begin, 2), what) for when, what in sorted(self.marks))
        return judge(self.drill, observation, marks, self.aborted, tuple(self.left))


def outs(looks: list[tuple[float, str, Seen | None]], since: float) -> dict[str, int]:
    """How often each node went out of service after `since`, as the edge says that saw it most often."""
    counts: defaultdict[tuple[str, str], int] = defaultdict(int)
    last: dict[tuple[str, str], bool] = {}
    for when, edge, seen in looks:
        if not isinstance(seen, EdgeSeen):
            continue
        for node, status in seen.nodes.items():
            up = is_up(status)
            counts[edge, node] += int(when >= since and not up and last.get((edge, node), True))
            last[edge, node] = up
    most: dict[str, int] = {}
    for (_, node), count in counts.items():
        most[node] = max(count, most.get(node, 0))
    return {node: count for node, count in most.items() if count}
