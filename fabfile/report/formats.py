"""Figures as the page shows them: latencies, shares, counts, times and small curves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

SPARK_WIDTH = 72.0
SPARK_HEIGHT = 18.0
"""Size of a row's small curve in SVG units. The full height stands for the latency bound."""


def format_ms(milliseconds: float | None) -> str:
    """Milliseconds as text, from one second on as seconds; empty for None."""
    if milliseconds is None:
        return ""
    if milliseconds < 999.5:  # anything above would be rounded to "1000 ms"
        return f"{milliseconds:.0f} ms"
    return f"{milliseconds / 1000:.1f} s"


def format_seconds(seconds: float | None) -> str:
    """Seconds as text; a dash for None."""
    return "–" if seconds is None else f"{seconds:.1f} s"


def format_share(share: float | None) -> str:
    """A share of 1 in per cent, rounded up to two significant digits; empty for None.

    The figure is an upper bound, so rounding it down would make it wrong.
    """
    if share is None:
        return ""
    if not share:
        return "0 %"
    digits = max(0, 1 - math.floor(math.log10(100 * share)))
    # The inner round() removes binary noise that ceil() would turn into one more digit.
    return f"{math.ceil(round(100 * share * 10**digits, 6)) / 10**digits:g} %"


def format_number(number: int) -> str:
    """A whole number with narrow spaces between the thousands."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def format_time(time: str | float) -> str:
    """A time in UTC, to the minute; `time` is ISO 8601 text or seconds since 1970."""
    if isinstance(time, int | float):
        parsed = datetime.fromtimestamp(time, UTC)
    else:
        parsed = datetime.fromisoformat(time)
    return parsed.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def spark_lines(values_ms: Sequence[float | None], bound_ms: float) -> list[str]:
    """The points of a small curve's polylines, a new polyline after each gap (None).

    Values at or above `bound_ms` touch the top.
    """
    return [" ".join(points) for points in _unbroken_runs(values_ms, bound_ms) if points]


def _unbroken_runs(values_ms: Sequence[float | None], bound_ms: float) -> Iterator[list[str]]:
    points: list[str] = []
    for index, value in enumerate(values_ms):
        if value is None:
            yield points
            points = []
            continue
        x = SPARK_WIDTH * (index + 0.5) / len(values_ms)
        y = SPARK_HEIGHT * (1 - min(value, bound_ms) / bound_ms)
        points.append(f"{x:.1f},{y:.1f}")
    yield points
