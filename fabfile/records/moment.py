"""Read the moment of `--since`, and show moments and ages."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from ..engine.errors import RunbookError

UNITS = {"s": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days"}


def parse_since(text: str, now: datetime) -> datetime:
    """The moment that `text` names: `90s`, `10m`, `2h` or `7d` before `now`, or an ISO date or time
    (UTC, if it names no zone).

    Raises:
        RunbookError: `text` is neither.
    """
    text = text.strip()
    age = re.fullmatch(r"(\d{1,6}) ?(s|m|min|h|d)(?: ago)?", text.lower().lstrip("-"))
    if age:
        return now - timedelta(**{UNITS[age[2]]: int(age[1])})
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise RunbookError(
            f"--since {text!r} is no moment",
            "it must be an age (90s, 10m, 2h, 7d) or a time in UTC (2026-11-29T01:30)",
            "the same command with, for example, --since 2h",
        ) from None


def parse_iso(text: str) -> float:
    """Seconds since 1970 of a time such as `2026-11-29T01:30:00Z`; 0 if it is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, TypeError):
        return 0.0


def show_age(seconds: float) -> str:
    """An age, in the largest unit that fits: `2 h ago`."""
    age = max(0, round(seconds))
    steps = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    size, unit = next((step for step in steps if age >= step[0]), steps[-1])
    return f"{age // size} {unit} ago"


def show_time(seconds: float, *, parts: bool = False) -> str:
    """A time in UTC, `11-29 01:30:00`; with milliseconds if `parts`."""
    moment = datetime.fromtimestamp(seconds, UTC)
    shown = moment.strftime("%m-%d %H:%M:%S")
    return f"{shown}.{moment.microsecond // 1000:03d}" if parts else shown
