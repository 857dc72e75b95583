"""Whether answers are fresh or a cache's: a pure judgement over what was seen.

A header can be rewritten on the way (nginx writes a Date of its own, and admits nothing), and what
the app's answers look like is not known. So the same question is asked in two ways: plainly, as
users do, and with a unique query string that no cache can have seen. What moves from unique answer
to unique answer must also move between plain ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

STOOD_STILL = 2.1
"""Seconds by which a Date may fall behind: 1 for whole seconds, 1 for two nodes' clocks (R21),
and a little."""

SLOW, SLEEPS = 0.01, 0.05
"""Seconds from which an app is slow enough for a cache's speed to give it away, and from which
it surely does so."""

SMALL = 65536
"""Bytes up to which an answer's time is the app's; a long list takes its time from a cache too."""


class Fresh(StrEnum):
    """What is known about an endpoint."""

    PROVEN = "fresh"
    LIKELY = "likely fresh"
    CACHED = "cached"
    UNKNOWN = "not known"


class Freshness(NamedTuple):
    """The judgement, its evidence in one sentence, and the least seconds that a fresh answer
    takes (0 if not known)."""

    state: Fresh
    because: str
    floor: float = 0.0


class FreshnessProbe(NamedTuple):
    """One right answer: `unique` with a query of its own, `date` from its header, `digest` without
    the query.

    Times in seconds of one clock. `found` is None unless something had been written that the answer
    must then hold.
    """

    turn: int
    unique: bool
    sent: float
    done: float
    digest: str
    size: int = 0
    date: float | None = None
    mark: str = ""
    found: bool | None = None

    @property
    def seconds(self) -> float:
        """How long the answer took."""
        return self.done - self.sent


def judge_freshness(looks: Sequence[FreshnessProbe], seen: Sequence[Freshness] = ()) -> Freshness:
    """What the looks at one endpoint say; `seen` is what has been shown of it by other means."""
    plain = [look for look in looks if not look.unique]
    unique = [look for look in looks if look.unique]
    floor = min((look.seconds for look in unique), default=0.0)
    floor = floor if floor > SLEEPS and all(look.size <= SMALL for look in looks) else 0.0
    cached = [f.because for f in seen if f.state is Fresh.CACHED]
    tests = (_admitted_cache, _date_stands, _write_unseen, _same_body, _too_fast)
    cached += filter(None, (test(plain, unique) for test in tests))
    if cached:
        return Freshness(Fresh.CACHED, "; ".join(cached), floor)
    proven = [f.because for f in seen if f.state is Fresh.PROVEN]
    proven += filter(None, (_write_seen(plain), _new_bodies(plain), _takes_its_time(plain, floor)))
    if proven:
        return Freshness(Fresh.PROVEN, "; ".join(proven), floor)
    if _date_moves(plain):
        because = "its Date moves on and nothing hints at a cache (a proxy may write that itself)"
        return Freshness(Fresh.LIKELY, because, floor)
    return Freshness(Fresh.UNKNOWN, f"{len(plain)} right answers show nothing either way", floor)


def _admitted_cache(plain: Sequence[FreshnessProbe], unique: Sequence[FreshnessProbe]) -> str:
    """A cache that says so."""
    marks = [look.mark for look in (*plain, *unique) if look.mark]
    return (
        f"{len(marks)} of {len(plain) + len(unique)} answers say so themselves ({marks[0]})"
        if marks
        else ""
    )


def _date_stands(plain: Sequence[FreshnessProbe], unique: Sequence[FreshnessProbe]) -> str:
    """A Date that falls behind the time that passes."""
    dated = [look for look in plain if look.date is not None]
    for look in dated[1:]:
        passed, moved = look.sent - dated[0].done, (look.date or 0.0) - (dated[0].date or 0.0)
        if passed - moved > STOOD_STILL:
            return f"its Date moved by {moved:.0f} s in {passed:.1f} s"
    return ""


def _write_unseen(plain: Sequence[FreshnessProbe], unique: Sequence[FreshnessProbe]) -> str:
    """A plain answer without what a unique one of the same turn shows."""
    shown = {look.turn for look in unique if look.found}
    missed = [look for look in plain if look.found is False and look.turn in shown]
    return (
        "a session written before is missing, though it is there under a query of its own"
        if missed
        else ""
    )


def _same_body(plain: Sequence[FreshnessProbe], unique: Sequence[FreshnessProbe]) -> str:
    """Plain answers that repeat where unique ones never do.

    Two askings of one turn catch a cache of a second; there all pairs must repeat: two answers may
    share a clock tick. Turns two apart catch the longer ones; nearer ones may come from two nodes
    whose clocks differ.
    """
    if len(unique) >= 3 and _count_distinct(unique):
        pairs = [(a, b) for a, b in pairwise(plain) if a.turn == b.turn]
        if len(pairs) >= 2 and all(a.digest == b.digest for a, b in pairs):
            return (
                "repeats have the very same body, though every answer to a unique query has its own"
            )
    first, fresh = _one_a_turn(plain), _one_a_turn(unique)
    if len(fresh) >= 3 and _count_distinct(fresh):
        for early, late in zip(first, first[2:], strict=False):
            if early.digest == late.digest and late.sent - early.done > STOOD_STILL:
                after = late.sent - early.done
                return (
                    f"the same body came again after {after:.1f} s, though the app's own answers"
                    " differ"
                )
    return ""


def _too_fast(plain: Sequence[FreshnessProbe], unique: Sequence[FreshnessProbe]) -> str:
    """Repeats that come faster than the app can answer."""
    own = min((look.seconds for look in unique), default=0.0)
    later = [look.seconds for look in plain[1:]]
    if own <= SLOW or not later:
        return ""
    few = len(unique) < 2 or len(later) < 2
    fast = [seconds for seconds in later if seconds < own / (8 if few else 4)]
    if 2 * len(fast) < len(later):
        return ""
    return (
        f"repeats came after {min(fast) * 1000:.0f} ms, an answer to a unique query takes"
        f" {own * 1000:.0f} ms"
    )


def _write_seen(plain: Sequence[FreshnessProbe]) -> str:
    seen = sum(bool(look.found) for look in plain)
    new = len({look.digest for look in plain}) == len(plain)
    return f"{seen} times a session just written was in it" if seen and new else ""


def _new_bodies(plain: Sequence[FreshnessProbe]) -> str:
    first = _one_a_turn(plain)
    return (
        f"{len(first)} repeats, {len(first)} different answers"
        if len(first) >= 3 and _count_distinct(first)
        else ""
    )


def _takes_its_time(plain: Sequence[FreshnessProbe], floor: float) -> str:
    fastest = min((look.seconds for look in plain[1:]), default=0.0)
    return (
        f"no repeat came faster than {fastest * 1000:.0f} ms"
        if floor and fastest > 0.6 * floor
        else ""
    )


def _date_moves(plain: Sequence[FreshnessProbe]) -> bool:
    dates = [look.date for look in plain if look.date is not None]
    return len(dates) >= 2 and max(dates) > dates[0]


def _one_a_turn(looks: Sequence[FreshnessProbe]) -> list[FreshnessProbe]:
    return list({look.turn: look for look in reversed(looks)}.values())[::-1]


def _count_distinct(looks: Sequence[FreshnessProbe]) -> bool:
    return len({look.digest for look in looks}) == len(looks)
