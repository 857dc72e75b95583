"""The outcome of a check as JSON."""

from __future__ import annotations

import math
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..engine.errors import RunbookError
from ..traffic.stats import Window
from ..traffic.timeline import LoadPhase
from .outcome import CheckOutcome
from .row import Row, Verdict


def as_json(outcome: CheckOutcome) -> dict[str, Any]:
    """The whole outcome. Latencies are in milliseconds, shares in 0..1.

    A latency is null if there is none or if it falls on an error.
    """
    plan = outcome.plan
    return {
        "address": outcome.address,
        "run": plan.name,
        "ok": outcome.ok,
        "started": datetime.fromtimestamp(outcome.started, UTC).isoformat(timespec="seconds"),
        "seconds": round(outcome.seconds, 1),
        "requests": outcome.requests,
        "offered": {"peak": [plan.peak_rate, plan.peak], "steady": [plan.steady_rate, plan.steady]},
        "generator": {
            "lag_p99_ms": _milliseconds(outcome.lag_p99),
            "cpu_share": round(outcome.cpu_share, 3),
            "doubtful": outcome.doubtful,
        },
        "ids": {
            id: {"top": known.top, "known": known.known} for id, known in outcome.ranges.items()
        },
        "sessions_left": list(outcome.rows_left),
        "sessions_perhaps_left": outcome.rows_perhaps_left,
        "rows": [_row_json(row) for row in outcome.rows],
        "phases": [_phase_json(phase) for phase in outcome.phases],
        "drills": [drill.as_json() for drill in outcome.drills],
    }


def _row_json(row: Row) -> dict[str, Any]:
    figures, timed = row.figures, row.p90_bound is not None
    return {
        "id": row.id,
        "name": row.name,
        "asked": row.asked,
        "verdict": str(row.verdict).lower(),
        "held": row.verdict is Verdict.HELD,
        "why": row.why,
        "next": row.next,
        "n": figures.n,
        "errors": figures.errors,
        "error_kinds": dict(figures.kinds),
        "error_share_bound": row.share,
        "error_share_upper95": round(figures.error_upper, 6) if figures.n else None,
        "p50_ms": _milliseconds(figures.p50),
        "p75_ms": _milliseconds(figures.p75),
        "p90_ms": _milliseconds(figures.p90),
        "p99_ms": _milliseconds(figures.p99),
        "p90_bound_ms": _milliseconds(row.p90_bound),
        "slow": figures.slow if timed else None,
        "slow_share_upper95": round(figures.slow_upper, 6) if timed and figures.n else None,
        "p90_line_ms": [_milliseconds(value) for value in figures.line],
        "worst_10s": _window_json(figures.worst),
        "fresh": (
            {"state": str(row.fresh.state), "because": row.fresh.because} if row.fresh else None
        ),
        "notes": list(row.notes),
        **({"more": dict(row.more)} if row.more else {}),
    }


def _phase_json(phase: LoadPhase) -> dict[str, Any]:
    """A load second by second. Latencies are in seconds, as in the timelines of drills."""
    timeline = [asdict(second) for second in phase.timeline]
    return {"name": phase.name, "rate": phase.rate, "seconds": phase.seconds, "timeline": timeline}


def _window_json(window: Window | None) -> dict[str, Any] | None:
    if window is None:
        return None
    return {
        "from_s": window.start,
        "n": window.n,
        "errors": window.errors,
        "p90_ms": _milliseconds(window.p90),
    }


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None or math.isinf(seconds) else round(seconds * 1000, 2)


def refuse_bad_path(path: str) -> None:
    """Check that the JSON can be written, before minutes of measuring.

    Raises:
        RunbookError: the file cannot be written.
    """
    folder = Path(path).absolute().parent
    if path != "-" and (Path(path).is_dir() or not os.access(folder, os.W_OK)):
        raise RunbookError(
            f"{path} cannot be written",
            "nothing was measured yet",
            "give a path in a folder that you can write, or - for stdout",
        )
