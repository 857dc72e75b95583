"""Judge whether answers are fresh or come from a cache. Pure functions of what was measured.

Headers prove little: a proxy may rewrite them (nginx writes a Date of its own and does not say that
it cached). The app's answers are not known in advance either. So each endpoint is requested in two
ways: plainly, as users do, and with a unique query string that no cache can have stored. What
changes from one unique answer to the next must also change between plain answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

DATE_TOLERANCE = 2.1
"""Seconds by which a Date header may fall behind: 1 because it has whole seconds, 1 because the
clocks of two nodes may differ by that much (R21), and 0.1 in reserve."""

SLOW_APP = 0.01
"""Seconds. If the app needs more, an answer from a cache is visibly faster."""

SURELY_SLOW_APP = 0.05
"""Seconds. If the app needs more, an answer as slow as the app's own cannot come from a cache."""

SMALL_BODY = 65536
"""Bytes. The time of a larger answer is mostly transfer, which a cache needs too."""


class Fresh(StrEnum):
    """What is known about an endpoint."""

    PROVEN = "fresh"
    LIKELY = "likely fresh"
    CACHED = "cached"
    UNKNOWN = "not known"


class Freshness(NamedTuple):
    """A judgement with its evidence in one sentence.

    `least_seconds` is the least time that a fresh answer takes, 0 if that is not known.
    """

    state: Fresh
    because: str
    least_seconds: float = 0.0


class FreshnessProbe(NamedTuple):
    """One right answer. Times are in seconds of one clock.

    Attributes:
        turn: the round in which the request was made; several requests share a round.
        unique: whether the request had a unique query string.
        sent: when the request was sent.
        done: when the answer was complete.
        digest: a hash of the body without the unique query.
        size: bytes of the body.
        date: the Date header in seconds since 1970, None if missing.
        mark: the header by which a cache admits that it answered; empty if none.
        shows_write: whether the answer contains the row created before it; None if no row was
            created.
    """

    turn: int
    unique: bool
    sent: float
    done: float
    digest: str
    size: int = 0
    date: float | None = None
    mark: str = ""
    shows_write: bool | None = None

    @property
    def seconds(self) -> float:
        """How long the answer took."""
        return self.done - self.sent


Probes = Sequence[FreshnessProbe]


def judge_freshness(probes: Probes, other_evidence: Sequence[Freshness] = ()) -> Freshness:
    """Judge one endpoint by its probes and by what other tests found out about it.

    One sign of a cache outweighs every proof of freshness.
    """
    plain = [probe for probe in probes if not probe.unique]
    unique = [probe for probe in probes if probe.unique]
    least = _least_seconds(probes, unique)
    cached = [found.because for found in other_evidence if found.state is Fresh.CACHED]
    tests = (_admits_cache, _date_lags, _misses_write, _repeats_body, _answers_too_fast)
    cached += filter(None, (test(plain, unique) for test in tests))
    if cached:
        return Freshness(Fresh.CACHED, "; ".join(cached), least)
    proven = [found.because for found in other_evidence if found.state is Fresh.PROVEN]
    proofs = (_shows_writes(plain), _has_new_bodies(plain), _is_as_slow_as_app(plain, least))
    proven += filter(None, proofs)
    if proven:
        return Freshness(Fresh.PROVEN, "; ".join(proven), least)
    if _date_advances(plain):
        because = "its Date advances and nothing hints at a cache (a proxy may write Date itself)"
        return Freshness(Fresh.LIKELY, because, least)
    return Freshness(Fresh.UNKNOWN, f"{len(plain)} right answers show nothing either way", least)


def _least_seconds(probes: Probes, unique: Probes) -> float:
    """The app's shortest time; 0 if it is too short, or answers too large, to detect a cache."""
    fastest = min((probe.seconds for probe in unique), default=0.0)
    small = all(probe.size <= SMALL_BODY for probe in probes)
    return fastest if fastest > SURELY_SLOW_APP and small else 0.0


# Signs of a cache: each test returns the evidence, or an empty string.


def _admits_cache(plain: Probes, unique: Probes) -> str:
    marks = [probe.mark for probe in (*plain, *unique) if probe.mark]
    if not marks:
        return ""
    return f"{len(marks)} of {len(plain) + len(unique)} answers have a cache's header ({marks[0]})"


def _date_lags(plain: Probes, unique: Probes) -> str:
    """A Date header that advances more slowly than time."""
    dated = [(probe, probe.date) for probe in plain if probe.date is not None]
    for probe, date in dated[1:]:
        first, first_date = dated[0]
        passed = probe.sent - first.done
        moved = date - first_date
        if passed - moved > DATE_TOLERANCE:
            return f"its Date advanced by {moved:.0f} s in {passed:.1f} s"
    return ""


def _misses_write(plain: Probes, unique: Probes) -> str:
    """A plain answer without the new row that a unique answer of the same round shows."""
    shown = {probe.turn for probe in unique if probe.shows_write}
    if any(probe.shows_write is False and probe.turn in shown for probe in plain):
        return "a row created before is missing, but a unique query shows it"
    return ""


def _repeats_body(plain: Probes, unique: Probes) -> str:
    """Plain answers that repeat although unique answers never do."""
    if len(unique) >= 3 and _all_differ(unique):
        # Two requests of one round detect a cache of one second. All pairs must repeat, because
        # two answers may share one tick of the app's clock.
        pairs = [(early, late) for early, late in pairwise(plain) if early.turn == late.turn]
        if len(pairs) >= 2 and all(early.digest == late.digest for early, late in pairs):
            return "repeated requests got the same body, but every unique query another one"
    plain_by_turn = _first_of_each_turn(plain)
    unique_by_turn = _first_of_each_turn(unique)
    if len(unique_by_turn) < 3 or not _all_differ(unique_by_turn):
        return ""
    # Rounds two apart detect longer caches. Adjacent rounds prove nothing: two nodes whose clocks
    # differ may give the same answer in both.
    for early, late in zip(plain_by_turn, plain_by_turn[2:], strict=False):
        if early.digest == late.digest and late.sent - early.done > DATE_TOLERANCE:
            return (
                f"the same body came again after {late.sent - early.done:.1f} s, but the app's own"
                " answers differ"
            )
    return ""


def _answers_too_fast(plain: Probes, unique: Probes) -> str:
    """Repeated requests that are answered faster than the app can."""
    app_seconds = min((probe.seconds for probe in unique), default=0.0)
    repeats = [probe.seconds for probe in plain[1:]]
    if app_seconds <= SLOW_APP or not repeats:
        return ""
    # With a single answer of a kind, chance plays a larger part: demand twice the difference.
    ratio = 8 if len(unique) < 2 or len(repeats) < 2 else 4
    fast = [seconds for seconds in repeats if seconds < app_seconds / ratio]
    if 2 * len(fast) < len(repeats):
        return ""
    return (
        f"repeated requests took {min(fast) * 1000:.0f} ms, a unique query takes"
        f" {app_seconds * 1000:.0f} ms"
    )


# Proofs of freshness: each test returns the evidence, or an empty string.


def _shows_writes(plain: Probes) -> str:
    shown = sum(bool(probe.shows_write) for probe in plain)
    return f"{shown} answers show a row just created" if shown and _all_differ(plain) else ""


def _has_new_bodies(plain: Probes) -> str:
    by_turn = _first_of_each_turn(plain)
    if len(by_turn) < 3 or not _all_differ(by_turn):
        return ""
    return f"{len(by_turn)} repeats, {len(by_turn)} different answers"


def _is_as_slow_as_app(plain: Probes, least_seconds: float) -> str:
    fastest = min((probe.seconds for probe in plain[1:]), default=0.0)
    if not least_seconds or fastest <= 0.6 * least_seconds:
        return ""
    return f"no repeated request was faster than {fastest * 1000:.0f} ms"


def _date_advances(plain: Probes) -> bool:
    dates = [probe.date for probe in plain if probe.date is not None]
    return len(dates) >= 2 and max(dates) > dates[0]


def _first_of_each_turn(probes: Probes) -> list[FreshnessProbe]:
    first: dict[int, FreshnessProbe] = {}
    for probe in probes:
        first.setdefault(probe.turn, probe)
    return list(first.values())


def _all_differ(probes: Probes) -> bool:
    return len({probe.digest for probe in probes}) == len(probes)
