"""Drills: faults made on purpose under load, and a verdict on what users saw of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..engine import interrupt
from ..engine.errors import RunbookError
from ..settings.settings import Settings
from .model import Drill
from .result import DrillResult, from_json

if TYPE_CHECKING:
    from ..traffic.values import Range

__all__ = ["DrillResult", "from_json", "run_for_check", "run_some"]

Progress = Callable[[str], None]


def run_some(
    settings: Settings,
    names: Sequence[str],
    progress: Progress = lambda text: None,
    *,
    without: str = "",
    done: Callable[[DrillResult], None] = lambda result: None,
) -> list[DrillResult]:
    """The drills called `names`, one after the other; each result is kept, and passed to `done` at
    once.

    On a site that is not a lab each stops when its error budget is spent, and the deploy lock is
    held meanwhile.

    Raises:
        RunbookError: there is no drill of a name, the site is locked or cannot be reached.
        KeyboardInterrupt: Ctrl-C; what was broken is repaired by then.
    """
    from ..traffic.values import Range
    from .history import keep_result
    from .safety_nets import nets_prepared
    from .target import folder_of

    drills, ranges = chosen_drills(names), dict[str, Range]()
    results = []
    with interrupt.defer(), nets_prepared(settings, without):
        for drill in drills:
            interrupt.check()
            result = replace(_run_drill(settings, drill, ranges, progress), without=without)
            keep_result(folder_of(settings), result)
            results.append(result)
            done(result)
    return results


def _run_drill(
    settings: Settings, drill: Drill, ranges: dict[str, Range], progress: Progress
) -> DrillResult:
    from ..control.silences import Silence, silenced
    from ..settings.site_file import in_lab
    from .runner import DrillRun

    run = DrillRun(drill, settings, progress, ranges, stop_at_budget=not in_lab(settings))
    with silenced(settings, Silence(f"drill {drill.name}", ("alertname=~.+",), QUIET), progress):
        return run.perform()


QUIET = 900
"""Seconds for which no alert calls anybody, should a drill die: who makes it watches it."""


def chosen_drills(names: Sequence[str]) -> list[Drill]:
    """
    Raises:
        RunbookError: there is no drill of a name.
    """
    from .catalogue.register import BY_NAME

    for name in names:
        if name not in BY_NAME:
            raise RunbookError(
                f"there is no drill called {name}", "nothing was broken", "fab drill.list"
            )
    return [BY_NAME[name] for name in names]


def run_for_check(settings: Settings, progress: Progress = lambda text: None) -> list[DrillResult]:
    """Run the few short drills that measure R1 and R2.

    Raises:
        RunbookError, KeyboardInterrupt: as `run_some`.
    """
    from .catalogue.register import FOR_CHECK

    return run_some(settings, FOR_CHECK, progress)
