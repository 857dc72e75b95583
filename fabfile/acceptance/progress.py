"""What one sees while a run goes: a line a phase, with the errors and the p90 of the last
seconds."""

from __future__ import annotations

import time
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ..traffic.sample import Sample
from ..traffic.stats import percentile_of
from .row import show_ms

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

LOOK_BACK = 5.0
"""Seconds of answers that the running p90 is of."""

REDRAW = 0.25
"""Seconds between two drawings: drawing takes from the same processor that the load is made
with."""


class LiveView:
    """A `Watch` on a console; on one that is no terminal, one line per finished phase."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

        self.console = console
        self._bars: Progress = Progress(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[told]}"),
            console=console,
            auto_refresh=False,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None
        self._title = ""
        self._n = 0
        self._errors = 0
        self._drawn = 0.0
        self._recent: deque[tuple[float, float]] = deque()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._finish_phase()
        self._bars.stop()

    def phase(self, title: str, total: int) -> None:
        """See `Watch`."""
        self._finish_phase()
        self._title, self._n, self._errors = title, 0, 0
        self._recent.clear()
        self._task = self._bars.add_task(title, total=total or None, told="")
        self._bars.refresh()

    def saw(self, sample: Sample) -> None:
        """See `Watch`."""
        now = time.monotonic()
        self._n += 1
        self._errors += not sample.ok
        self._recent.append((now, sample.latency))
        if now - self._drawn > REDRAW:
            self._drawn = now
            self._draw_line(now)

    def _draw_line(self, now: float) -> None:
        while self._recent and self._recent[0][0] < now - LOOK_BACK:
            self._recent.popleft()
        if self._task is not None and not self._bars.disable:
            self._bars.update(self._task, completed=self._n, told=self._phase_text())
            self._bars.refresh()

    def _phase_text(self) -> str:
        if not self._recent:
            return ""
        p90 = percentile_of(sorted(latency for _, latency in self._recent), 0.9)
        errors = f"[red]{self._errors} errors[/]" if self._errors else "[dim]0 errors[/]"
        return f"{errors} [dim]· p90[/] {show_ms(p90)}"

    def _finish_phase(self) -> None:
        if self._task is None:
            return
        if self._bars.disable:
            told = f": {self._n} requests, {self._errors} errors" if self._n else ""
            self.console.print(f"{self._title}{told}", highlight=False)
        else:
            self._bars.update(
                self._task,
                total=max(self._n, 1),
                completed=max(self._n, 1),
                told=self._phase_text(),
            )
            self._bars.refresh()
        self._task = None
