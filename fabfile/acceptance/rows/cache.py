"""The row of an answer that may come from a cache. Pure functions of what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ...settings.requirements import endpoint_requirement
from ...settings.service import Service
from ...traffic.stats import most_allowed, percentile_of
from ..cache_age import Ages, clock_offset, judge_ages
from ..cache_probe import CacheEvidence
from ..row import Figures, Row, Verdict, judge_figures, show_ms

NEXT = "fab plan, then check the edges' cache: fab runbook cache-stale"

SLOW_APP = 0.1
"""Seconds. If the app needs more, an answer from a cache is visibly faster."""


def cache_row(program: Service, evidence: CacheEvidence, *, proof: bool) -> Row:
    """Most answers are fast, none is too old, and only GET is answered from the cache.

    With `proof` the share of fast answers must hold at 95 % confidence.
    """
    figures = Figures.of(evidence.samples)
    requirement, rule = endpoint_requirement(program, evidence.endpoint), evidence.rule
    share, slow_share = requirement.error_share, 1 - rule.within_share
    slow = sum(sample.latency >= rule.within_seconds for sample in evidence.samples)
    ages = judge_ages(
        evidence.plain,
        unique=evidence.unique,
        posted=evidence.posted,
        clock=clock_offset(evidence.pings),
    )
    judged = Row(
        requirement,
        Verdict.HELD,
        figures=figures,
        share=share,
        more=_cache_figures(evidence, ages, slow),
    )
    verdict, errors = judge_figures(figures, share, proof=False)
    wrong = [errors] if verdict is not Verdict.HELD else []
    slow_text = f"{slow} of {figures.n} took {rule.within_seconds:g} s or more"
    if slow > slow_share * figures.n:
        wrong.append(f"{slow_text}: does the edge cache this answer at all?")
    if ages.proven_age > rule.max_age:
        wrong.append(f"an answer was {max(ages.ages):.0f} s old (by {' and '.join(ages.evidence)})")
    wrong += _post_problems(evidence, ages)
    if wrong:
        return replace(judged, verdict=Verdict.FAILED, why="; ".join(wrong), next=NEXT)
    doubts = []
    if proof and slow > (most := most_allowed(figures.n, slow_share)):
        doubts.append(f"{slow_text}: at most {max(most, 0)} would prove ≤ {slow_share * 100:.0f} %")
    doubts += _age_doubts(ages)
    return replace(
        judged,
        verdict=Verdict.UNPROVEN if doubts else Verdict.HELD,
        why="; ".join(doubts),
        notes=_cache_notes(evidence, ages, slow),
    )


def _age_doubts(ages: Ages) -> Iterator[str]:
    if ages.by_headers:
        yield "the answers do not show how old they are, only headers do"
    elif not ages.evidence:
        yield "the answers do not show how old they are"


def _post_problems(evidence: CacheEvidence, ages: Ages) -> Iterator[str]:
    """Signs that a cache, and not the app, answered a POST."""
    problem = f"POST {evidence.endpoint.path} is answered from the cache"
    if evidence.marks:
        yield f"{problem} ({evidence.marks[0]})"
        return
    seen_before = {answer.digest for answer in (*evidence.plain, *evidence.unique)}
    if ages.bodies_differ and any(answer.digest in seen_before for answer in evidence.posted):
        yield f"{problem}: the same body was seen before"
        return
    if not evidence.unique:
        return
    app_seconds = percentile_of(sorted(a.done - a.sent for a in evidence.unique), 0.5)
    times = [answer.done - answer.sent for answer in evidence.posted]
    fast = [seconds for seconds in times if seconds < app_seconds / 4]
    if app_seconds > SLOW_APP and fast:
        yield f"{problem}: it took {show_ms(fast[0])}, the app takes {show_ms(app_seconds)}"


def _cache_figures(evidence: CacheEvidence, ages: Ages, slow: int) -> dict[str, Any]:
    """The figures for the JSON."""
    count, pattern = len(evidence.samples), evidence.pattern
    shares = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p99": 0.99}
    oldest, percentiles = None, None
    if ages.evidence:
        oldest = round(max(ages.ages), 2)
        percentiles = {
            name: round(ages.percentile(share) or 0.0, 2) for name, share in shares.items()
        }
    return {
        "share_under_1s": round(1 - slow / count, 4) if count else None,
        "oldest_s": oldest,
        "age_s": percentiles,
        "evidence": list(ages.evidence),
        "longest_idle_s": round(evidence.longest_idle, 1),
        "pattern": {
            "seconds": pattern.seconds,
            "longest_gap_s": pattern.longest_gap,
            "seed": pattern.seed,
        },
    }


def _cache_notes(evidence: CacheEvidence, ages: Ages, slow: int) -> list[str]:
    times = sorted(sample.latency for sample in evidence.samples)
    speed = (
        f"{len(times) - slow} of {len(times)} under {evidence.rule.within_seconds:g} s,"
        f" p75 {show_ms(percentile_of(times, 0.75))}"
    )
    age = "age unknown"
    if ages.evidence:
        age = f"the oldest answer {max(ages.ages):.1f} s (by {' and '.join(ages.evidence)})"
    idle = evidence.longest_idle
    notes = [f"{speed}; {age}; longest idle {idle:.0f} s (seed {evidence.pattern.seed})"]
    if idle <= evidence.rule.max_age:
        notes.append(
            f"answers after more than {idle:.0f} s without a request were not tried:"
            " fab check --cache-minutes 10"
        )
    return notes
