"""The row of the answer that may come from a cache; a pure function of what was seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...settings.requirements import (
    CACHED_AGE_SECONDS,
    CACHED_ANSWER,
    CACHED_FAST_SECONDS,
    CACHED_SLOW_SHARE,
)
from ...traffic.stats import most_allowed, percentile_of
from ..cache_age import Ages, clock_offset, judge_ages
from ..cache_probe import PATH, CacheSeen
from ..row import Figures, Row, Verdict, judge_figures, show_ms

PLAN = "fab plan"


def cache_row(seen: CacheSeen, *, proof: bool) -> Row:
    """R16: fast for most, never old, and only GET is answered from the cache."""
    figures = Figures.of(seen.samples)
    share = CACHED_ANSWER.error_share
    verdict, errors = judge_figures(figures, share, timed=False, proof=False)
    slow = sum(sample.latency >= CACHED_FAST_SECONDS for sample in seen.samples)
    ages = judge_ages(seen.plain, seen.unique, seen.posted, clock_offset(seen.pings))
    wrong = [errors] if verdict is not Verdict.HELD else []
    if slow > CACHED_SLOW_SHARE * figures.n:
        wrong.append(f"{slow} of {figures.n} took 1 s or more: is the answer kept at all?")
    if ages.surely > CACHED_AGE_SECONDS:
        wrong.append(f"an answer was {max(ages.ages):.0f} s old (by {' and '.join(ages.evidence)})")
    wrong += _post_problem(seen, ages)
    more = _cache_figures(seen, ages, slow, figures.n)
    label = f"GET {PATH}"
    judged = Row(CACHED_ANSWER, Verdict.HELD, label=label, figures=figures, share=share, more=more)
    if wrong:
        next = f"{PLAN}, and look at the edges' cache"
        return replace(judged, verdict=Verdict.FAILED, why="; ".join(wrong), next=next)
    doubts = []
    if proof and slow > (most := most_allowed(figures.n, CACHED_SLOW_SHARE)):
        doubts.append(
            f"{slow} of {figures.n} took 1 s or more: at most {max(most, 0)} would prove ≤ 25 %"
        )
    if not ages.evidence or ages.by_headers:
        said = ", only headers do" if ages.by_headers else ""
        doubts.append(f"the answers do not show how old they are{said}")
    verdict = Verdict.UNPROVEN if doubts else Verdict.HELD
    notes = _cache_notes(seen, ages, slow)
    return replace(judged, verdict=verdict, why="; ".join(doubts), notes=notes)


def _post_problem(seen: CacheSeen, ages: Ages) -> Iterator[str]:
    """POST must reach the app."""
    kept = {answer.digest for answer in (*seen.plain, *seen.unique)}
    usual = (
        percentile_of(sorted(answer.done - answer.sent for answer in seen.unique), 0.5)
        if seen.unique
        else 0.0
    )
    fast = [
        answer for answer in seen.posted if usual > 0.1 and answer.done - answer.sent < usual / 4
    ]
    if seen.marks:
        yield f"POST {PATH} is answered from the cache ({seen.marks[0]})"
    elif ages.differ and any(answer.digest in kept for answer in seen.posted):
        yield f"POST {PATH} is answered from the cache: its body had been seen before"
    elif fast:
        yield (
            f"POST {PATH} is answered from the cache: in {show_ms(fast[0].done - fast[0].sent)},"
            f" the app takes {show_ms(usual)}"
        )


def _cache_figures(seen: CacheSeen, ages: Ages, slow: int, n: int) -> dict[str, object]:
    parts = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p99": 0.99}
    pattern = seen.pattern
    return {
        "share_under_1s": round(1 - slow / n, 4) if n else None,
        "oldest_s": round(max(ages.ages), 2) if ages.evidence and ages.ages else None,
        "age_s": (
            {name: round(ages.at(share) or 0.0, 2) for name, share in parts.items()}
            if ages.evidence
            else None
        ),
        "evidence": list(ages.evidence),
        "longest_idle_s": round(seen.longest, 1),
        "pattern": {
            "seconds": pattern.seconds,
            "longest_gap_s": pattern.longest,
            "seed": pattern.seed,
        },
    }


def _cache_notes(seen: CacheSeen, ages: Ages, slow: int) -> list[str]:
    times = sorted(sample.latency for sample in seen.samples)
    quick = (
        f"{len(times) - slow} of {len(times)} under 1 s, p75 {show_ms(percentile_of(times, 0.75))}"
    )
    old = (
        f"the oldest answer {max(ages.ages):.1f} s (by {' and '.join(ages.evidence)})"
        if ages.evidence
        else "age unknown"
    )
    notes = [f"{quick}; {old}; longest idle {seen.longest:.0f} s (seed {seen.pattern.seed})"]
    if seen.longest <= CACHED_AGE_SECONDS:
        notes.append(
            f"answers after more than {seen.longest:.0f} s without a request were not tried: fab"
            " check --cache-minutes 10"
        )
    return notes
