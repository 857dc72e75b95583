"""Judge how old the answers of a cached endpoint are. Pure functions of what was measured.

Headers are not trusted, because a cache that keeps answers too long may also write its own headers.
The body is the evidence. An answer is at least as old as the time since its body was first seen,
provided that the app never sends the same body twice. If the body contains the time of the answer
(requests that no cache can answer show whether it does), the age follows from that time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from ..traffic.stats import percentile_of

TIME_TOLERANCE = 2.0
"""Seconds by which a time in a body may differ from the time of its answer: 1 because it may be in
whole seconds, 1 because the clocks of two nodes may differ by that much (R21)."""

RFC3339 = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?")
EPOCH = re.compile(rb"(?<![\w.-])1\d{9}(?:\.\d+|\d{3}|\d{6}|\d{9})?(?![\w.-])")
EPOCH_DIGITS = 10
"""Digits of seconds since 1970 between 2001 and 2286; more digits are fractions of a second."""


class DatedAnswer(NamedTuple):
    """One right answer. All times are seconds since 1970.

    Attributes:
        sent: when the request was sent, by this machine's clock.
        done: when the answer was complete, by this machine's clock.
        digest: a hash of the body.
        times: the times found in the body, by the clock of the app.
        date: the Date header, by the clock of the server that wrote it.
        stamp: the X-Answered-At header, by the clock of the edge.
    """

    sent: float
    done: float
    digest: str
    times: Sequence[float] = ()
    date: float | None = None
    stamp: float | None = None


Answers = Sequence[DatedAnswer]


class Offset(NamedTuple):
    """How far the service's clock is ahead of this machine's, in seconds, plus or minus `slack`."""

    ahead: float = 0.0
    slack: float = 1.0


@dataclass(frozen=True)
class Ages:
    """The ages of the answers and the evidence for them.

    Attributes:
        ages: the age of each answer at its arrival, in seconds.
        proven_age: the oldest age, less the error of the clocks.
        evidence: what the ages were taken from.
        by_headers: whether headers were the only evidence.
        bodies_differ: whether the app never sends the same body twice.
    """

    ages: Sequence[float] = ()
    proven_age: float = 0.0
    evidence: Sequence[str] = ()
    by_headers: bool = False
    bodies_differ: bool = False

    def percentile(self, share: float) -> float | None:
        """The age that `share` (0..1) of the answers do not exceed."""
        return percentile_of(sorted(self.ages), share) if self.ages else None


def times_in(body: bytes) -> list[float]:
    """All times in a body as seconds since 1970.

    Recognises RFC 3339 (UTC if there is no zone) and an epoch in s, ms, µs or ns.
    """
    texts = [text.decode() for text in RFC3339.findall(body)]
    times = [time for text in texts if (time := parse_time(text)) is not None]
    for text in EPOCH.findall(body):
        whole, dot, _ = text.partition(b".")
        times.append(float(text) if dot else int(whole) / 10 ** (len(whole) - EPOCH_DIGITS))
    return times


def parse_time(text: str) -> float | None:
    """Seconds since 1970 of an RFC 3339 time, None if the text is no time."""
    text = re.sub(r"(\.\d{6})\d+", r"\1", text)  # datetime reads at most microseconds
    has_zone = text[-1] == "Z" or "+" in text or text[-6] == "-"
    try:
        return datetime.fromisoformat(text if has_zone else f"{text}Z").timestamp()
    except ValueError:
        return None


def clock_offset(pings: Answers) -> Offset:
    """Estimate the offset of the service's clock from the Date headers of uncached answers."""
    # Date is cut to whole seconds and was written between `sent` and `done`, so each answer gives
    # a range for the offset. All ranges together leave a narrow one.
    lows = [ping.date - ping.done for ping in pings if ping.date is not None]
    highs = [ping.date + 1 - ping.sent for ping in pings if ping.date is not None]
    if not lows:
        return Offset()
    low, high = max(lows), min(highs)
    return Offset((low + high) / 2, abs(high - low) / 2)


def judge_ages(plain: Answers, *, unique: Answers, posted: Answers, clock: Offset) -> Ages:
    """The ages of the `plain` answers.

    Args:
        plain: the answers to judge, in the order of their arrival.
        unique: answers to unique queries, which most caches cannot have stored.
        posted: answers to POST, which no cache may have stored.
        clock: the offset of the service's clock.
    """
    if not plain:
        return Ages()
    uncached = (*unique, *posted)
    body_has_time = _body_has_time(plain, unique, posted, clock)
    never_same = len(uncached) >= 3 and len({a.digest for a in uncached}) == len(uncached)
    bodies_differ = body_has_time or never_same
    whole_seconds = all(time == int(time) for answer in plain for time in answer.times)
    rounding = 1.0 if whole_seconds else 0.0
    first_seen: dict[str, float] = {}
    ages, proven = [], []
    for answer in plain:
        since_first = 0.0
        if bodies_differ:
            since_first = answer.done - first_seen.setdefault(answer.digest, answer.done)
        by_body = 0.0
        if body_has_time and answer.times:
            by_body = answer.done + clock.ahead - _nearest_time(answer, clock)
        by_headers = list(_ages_by_headers(answer, clock))
        ages.append(max(0.0, since_first, by_body, *by_headers))
        proven.append(
            max(
                since_first,
                by_body - clock.slack - rounding,
                *(age - clock.slack - 1 for age in by_headers),  # headers are in whole seconds
            )
        )
    evidence = _list_evidence(body_has_time=body_has_time, bodies_differ=bodies_differ)
    has_headers = any(a.stamp is not None or a.date is not None for a in plain)
    by_headers_only = has_headers and not evidence
    return Ages(
        ages=ages,
        proven_age=max(proven, default=0.0),
        evidence=["headers alone"] if by_headers_only else evidence,
        by_headers=by_headers_only,
        bodies_differ=bodies_differ,
    )


def _list_evidence(*, body_has_time: bool, bodies_differ: bool) -> list[str]:
    evidence = []
    if body_has_time:
        evidence.append("the time in the body")
    if bodies_differ:
        evidence.append("when each body was first seen")
    return evidence


def _ages_by_headers(answer: DatedAnswer, clock: Offset) -> Iterator[float]:
    """Ages that headers admit; 0 is always among them.

    A header may only make an answer older: a cache that writes its own Date hides the true age.
    """
    yield 0.0
    for time in (answer.stamp, answer.date):
        if time is not None:
            yield answer.done + clock.ahead - time


def _nearest_time(answer: DatedAnswer, clock: Offset) -> float:
    """The time in the body that is nearest to the answer's arrival."""
    return min(answer.times, key=lambda time: abs(answer.done + clock.ahead - time))


def _body_has_time(plain: Answers, unique: Answers, posted: Answers, clock: Offset) -> bool:
    """Whether the bodies contain the time at which they were made."""

    def contains_now(answer: DatedAnswer) -> bool:
        if not answer.times:
            return False
        time = _nearest_time(answer, clock) - clock.ahead
        return answer.sent - TIME_TOLERANCE <= time <= answer.done + TIME_TOLERANCE

    if posted:
        return all(contains_now(answer) for answer in posted)
    if unique and all(contains_now(answer) for answer in unique):
        return True
    # A cache that ignores the query makes unique answers old too. Then the times of plain answers
    # are believed if they move on during the run and never go back.
    times = [_nearest_time(answer, clock) for answer in plain if answer.times]
    never_back = all(late >= early for early, late in pairwise(times))
    return len(times) == len(plain) and len(set(times)) >= 2 and never_back
