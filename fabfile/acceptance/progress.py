"""Show the progress of a check: a line for each phase, with errors and the current p90."""

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

P90_SECONDS = 5.0
"""The current p90 is of the requests that ended within this many seconds."""

REDRAW_SECONDS = 0.25
"""Seconds between two updates of the display. Drawing uses the CPU that the load needs."""


class LiveView:
    """A `Watch` that shows progress on a console.

    Without a terminal it prints one line for each finished phase.
    """

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

        self.console = console
        self._bars: Progress = Progress(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[summary]}"),
            console=console,
            auto_refresh=False,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None
        self._title = ""
        self._requests = 0
        self._errors = 0
        self._drawn_at = 0.0
        self._recent: deque[tuple[float, float]] = deque()  # (when it ended, latency)

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
        self._title = title
        self._requests = 0
        self._errors = 0
        self._recent.clear()
        self._task = self._bars.add_task(title, total=total or None, summary="")
        self._bars.refresh()

    def saw(self, sample: Sample) -> None:
        """See `Watch`."""
        now = time.monotonic()
        self._requests += 1
        if not sample.ok:
            self._errors += 1
        self._recent.append((now, sample.latency))
        if now - self._drawn_at > REDRAW_SECONDS:
            self._drawn_at = now
            self._draw_phase(now)

    def _draw_phase(self, now: float) -> None:
        while self._recent and self._recent[0][0] < now - P90_SECONDS:
            self._recent.popleft()
        if self._task is not None and not self._bars.disable:
            self._bars.update(self._task, completed=self._requests, summary=self._phase_summary())
            self._bars.refresh()

    def _phase_summary(self) -> str:
        if not self._recent:
            return ""
        p90 = percentile_of(sorted(latency for _, latency in self._recent), 0.9)
        errors = f"[red]{self._errors} errors[/]" if self._errors else "[dim]0 errors[/]"
        return f"{errors} [dim]· p90[/] {show_ms(p90)}"

    def _finish_phase(self) -> None:
        if self._task is None:
            return
        if self._bars.disable:
            counts = f": {self._requests} requests, {self._errors} errors" if self._requests else ""
            self.console.print(f"{self._title}{counts}", highlight=False)
        else:
            # The total was an estimate; a finished phase is shown as complete.
            requests = max(self._requests, 1)
            self._bars.update(
                self._task, total=requests, completed=requests, summary=self._phase_summary()
            )
            self._bars.refresh()
        self._task = None
