"""How old the answers of a cached endpoint are: a pure judgement over what was seen of them.

No header is taken at its word: whoever keeps answers too long may also write what suits him. What
counts is in the body: it is at least as old as the time since this very body was first seen (if the
app's own answers all differ), and as old as the time in it (if answers that no cache can have show
that it is the time of the answer).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from ..traffic.stats import percentile_of

NEAR = 2.0
"""Seconds by which a time in a body may miss the time of its answer: whole seconds, and two
nodes' clocks (R21)."""

RFC3339 = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?")
EPOCH = re.compile(rb"(?<![\w.-])1\d{9}(?:\.\d+|\d{3}|\d{6}|\d{9})?(?![\w.-])")


class DatedAnswer(NamedTuple):
    """One right answer; all times in seconds since 1970 by our own clock, but what others have
    told.

    `times` are those in the body, `date` and `stamp` those of the headers Date and X-Answered-At,
    by their clocks.
    """

    sent: float
    done: float
    digest: str
    times: Sequence[float] = ()
    date: float | None = None
    stamp: float | None = None


class Offset(NamedTuple):
    """How far the service's clock is ahead of ours, in seconds, and how far that may be off."""

    ahead: float = 0.0
    slack: float = 1.0


@dataclass(frozen=True)
class Ages:
    """The age of each answer when it had come in, and the evidence for it; `by_headers` when that
    is headers alone.

    `surely` is the oldest age less what clocks may be off. `differ`: the app never gives the same
    body twice.
    """

    ages: Sequence[float] = ()
    surely: float = 0.0
    evidence: Sequence[str] = ()
    by_headers: bool = False
    differ: bool = False

    def at(self, share: float) -> float | None:
        """The age that `share` of the answers do not exceed."""
        return percentile_of(sorted(self.ages), share) if self.ages else None


def times_in(body: bytes) -> list[float]:
    """All times in a body as seconds since 1970: RFC 3339 (UTC without a zone), or an epoch of
    s, ms, µs or ns."""
    found = [
        value
        for text in RFC3339.findall(body)
        if (value := parse_moment(text.decode())) is not None
    ]
    for text in EPOCH.findall(body):
        whole, dot, _ = text.partition(b".")
        found.append(float(text) if dot else int(whole) / 10 ** (len(whole) - 10))
    return found


def parse_moment(text: str) -> float | None:
    """The POSIX time of an RFC 3339 text, or None when it is no time."""
    text = re.sub(r"(\.\d{6})\d+", r"\1", text)
    try:
        return datetime.fromisoformat(
            text if text[-1] == "Z" or "+" in text or text[-6] == "-" else f"{text}Z"
        ).timestamp()
    except ValueError:
        return None


def clock_offset(pings: Sequence[DatedAnswer]) -> Offset:
    """The service's clock against ours, from the Dates of answers that no cache keeps: each is
    cut to whole seconds."""
    dated = [
        (seen.date - seen.done, seen.date + 1 - seen.sent)
        for seen in pings
        if seen.date is not None
    ]
    if not dated:
        return Offset()
    one, other = max(low for low, _ in dated), min(high for _, high in dated)
    return Offset((one + other) / 2, abs(other - one) / 2)


def judge_ages(
    plain: Sequence[DatedAnswer],
    unique: Sequence[DatedAnswer],
    posted: Sequence[DatedAnswer],
    clock: Offset,
) -> Ages:
    """The ages of `plain` answers, which are in the order in which they came in.

    Args:
        plain: what is judged.
        unique: answers to queries of their own, which most caches cannot have had.
        posted: answers to POST, which none can.
        clock: the service's.
    """
    if not plain:
        return Ages()
    timed, fresh = _tells_its_time(plain, unique, posted, clock), (*unique, *posted)
    differ = timed or (len(fresh) >= 3 and len({seen.digest for seen in fresh}) == len(fresh))
    first: dict[str, float] = {}
    ages, sure = [], []
    whole = 1.0 if all(time == int(time) for seen in plain for time in seen.times) else 0.0
    for seen in plain:
        since = seen.done - first.setdefault(seen.digest, seen.done) if differ else 0.0
        told = seen.done + clock.ahead - _latest_time(seen, clock) if timed and seen.times else 0.0
        headers = list(_by_headers(seen, clock))
        ages.append(max(0.0, since, told, *headers))
        sure.append(
            max(since, told - clock.slack - whole, *(age - clock.slack - 1 for age in headers))
        )
    evidence = []
    if timed:
        evidence.append("the time in their bodies")
    if differ:
        evidence.append("when each body was first seen")
    headers_too = any(seen.stamp is not None or seen.date is not None for seen in plain)
    only = headers_too and not evidence
    if only:
        evidence.append("headers alone")
    return Ages(ages, max(sure, default=0.0), evidence, only, differ)


def _by_headers(seen: DatedAnswer, clock: Offset) -> Iterator[float]:
    """What headers admit; they may only make an answer older. A cache may write its own Date,
    and then it tells nothing."""
    yield from (
        seen.done + clock.ahead - told for told in (seen.stamp, seen.date) if told is not None
    )
    yield 0.0


def _latest_time(seen: DatedAnswer, clock: Offset) -> float:
    """The time in a body that comes nearest to its coming in."""
    return min(seen.times, key=lambda time: abs(seen.done + clock.ahead - time))


def _tells_its_time(
    plain: Sequence[DatedAnswer],
    unique: Sequence[DatedAnswer],
    posted: Sequence[DatedAnswer],
    clock: Offset,
) -> bool:
    """Whether the time in bodies is that of the answer.

    Fresh answers show it. A cache that minds no query would make unique ones old: then it must have
    moved on, never back.
    """

    def near(seen: DatedAnswer) -> bool:
        return (
            bool(seen.times)
            and seen.sent - NEAR <= _latest_time(seen, clock) - clock.ahead <= seen.done + NEAR
        )

    if posted:
        return all(map(near, posted))
    if unique and all(map(near, unique)):
        return True
    told = [_latest_time(seen, clock) for seen in plain if seen.times]
    return (
        len(set(told)) >= 2
        and len(told) == len(plain)
        and all(late >= early for early, late in pairwise(told))
    )
