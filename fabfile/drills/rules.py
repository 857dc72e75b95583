"""Rules about requests and recovery: each judges one bound of an observation. Pure; bounds come
from the requirements."""

from __future__ import annotations

from ..traffic.sample import Sample
from . import figures
from .model import Observation, Rule
from .result import Bound

FEW = 0.002
"""Share of POSTs that may fail: those in flight at the instant of a fault."""
RECOVERY = 60.0
"""R2, in seconds."""


def no_failed_gets(observed: Observation) -> Bound:
    """R1: a request that may be retried never fails."""
    reads = _split_samples(observed)[0]
    bad = sum(not s.ok for s in reads)
    return Bound("failed GETs", _share_text(bad, len(reads)), "0", not bad)


def few_failed_posts(observed: Observation) -> Bound:
    """A write, which may not be retried, fails only in flight: at most 0.2 %, or a single one."""
    posts = _split_samples(observed)[1]
    bad = sum(not s.ok for s in posts)
    return Bound(
        "failed POSTs, DELETEs",
        _share_text(bad, len(posts)),
        "0.2 %",
        bad <= max(1, FEW * len(posts)),
    )


def only_posts_in_flight(observed: Observation) -> Bound:
    """For a fault that is not noticed at once: a write fails only if it was in flight when the
    fault began."""
    posts = _split_samples(observed)[1]
    bad = [s for s in posts if not s.ok]
    late = sum(s.intended > observed.fault + ABOUT for s in bad)
    shown = f"{_share_text(len(bad), len(posts))}, {late} of them sent later"
    return Bound("failed POSTs, DELETEs", shown, "none sent after the fault", not late)


ABOUT = 0.7
"""Uncertainty of a fault's begin, in seconds: it is injected over ssh."""


def no_failures(observed: Observation) -> Bound:
    """What is planned costs no request of any method."""
    bad = sum(not s.ok for s in observed.samples)
    return Bound("failed requests", _share_text(bad, len(observed.samples)), "0", not bad)


def failed_at_most(count: int) -> Rule:
    """At most `count` requests of any method fail, however long the drill takes."""

    def rule(observed: Observation) -> Bound:
        bad = sum(not s.ok for s in observed.samples)
        return Bound(
            "failed requests", _share_text(bad, len(observed.samples)), str(count), bad <= count
        )

    return rule


def answered_within(seconds: float) -> Rule:
    """No request takes longer than `seconds`, whether it succeeds or fails."""

    def rule(observed: Observation) -> Bound:
        longest = max((s.done - s.intended for s in observed.samples), default=0.0)
        return Bound("longest wait", f"{longest:.2f} s", f"{seconds:g} s", longest <= seconds)

    return rule


def within_budget(observed: Observation) -> Bound:
    """R1: no more requests fail than may."""
    allowed = observed.program.load.error_share
    share = figures.budget_share(observed.program, observed.samples) * allowed
    return Bound(
        "failed requests", f"{100 * share:.2f} %", f"{100 * allowed:g} %", share <= allowed
    )


def no_database_needed(observed: Observation) -> Bound:
    """Requests that do not need the database do not fail."""
    endpoints = [
        id
        for id, endpoint in observed.program.by_id.items()
        if endpoint.sample.weight and not endpoint.database
    ]
    mine = [s for s in observed.samples if s.endpoint in endpoints]
    bad = sum(not s.ok for s in mine)
    return Bound(f"failed {', '.join(endpoints)}", _share_text(bad, len(mine)), "0", not bad)


def gap_within(seconds: float) -> Rule:
    """The longest time without any right answer is at most `seconds`."""

    def rule(observed: Observation) -> Bound:
        longest = figures.longest_gap(observed.samples, observed.fault)
        return Bound("longest gap", f"{longest:.2f} s", f"{seconds:g} s", longest <= seconds)

    return rule


def recovered_within(seconds: float = RECOVERY) -> Rule:
    """R2: recovered without help within `seconds` of the fault or, if the drill ended the fault,
    of its end."""

    def rule(observed: Observation) -> Bound:
        took = recovery_seconds(observed)
        known = (
            f"{took:.1f} s"
            if took is not None
            else "not without help"
            if not observed.without_help
            else "never"
        )
        return Bound(
            "recovered after", known, f"{seconds:g} s", took is not None and took <= seconds
        )

    return rule


def recovery_seconds(observed: Observation) -> float | None:
    """Seconds until all had recovered without help; None when it never did, or only after the
    drill repaired it."""
    if observed.recovered is None or not observed.without_help:
        return None
    return max(
        0.0, observed.recovered - (observed.fault if observed.undone is None else observed.undone)
    )


def detection_seconds(observed: Observation) -> float | None:
    """Seconds from the fault until a balancer reacted; None when none did."""
    return None if observed.detected is None else observed.detected - observed.fault


def fault_was_felt(slow: float) -> Rule:
    """The fault had an effect: during it a request failed or took longer than `slow` seconds."""

    def rule(observed: Observation) -> Bound:
        end = float("inf") if observed.undone is None else observed.undone
        during = [s for s in observed.samples if observed.fault <= s.intended < end]
        bad, slowest = sum(not s.ok for s in during), max((s.latency for s in during), default=0.0)
        return Bound(
            "effect of the fault",
            f"{bad} failed, slowest {slowest:.2f} s",
            f"a failure, or > {slow:g} s",
            bad > 0 or slowest > slow,
        )

    return rule


def never_too_old(observed: Observation) -> Bound:
    """No answer that the edge caches is older than it may be."""
    cached = [endpoint for endpoint in observed.program.endpoints if endpoint.cache]
    if not cached:
        return Bound("oldest cached answer", "nothing is cached", "none", held=True)
    bound = min(rule.max_age for rule in observed.program.caches)
    shown = "none seen" if observed.oldest is None else f"{observed.oldest:.0f} s"
    return Bound(
        f"oldest {cached[0].path}",
        shown,
        f"{bound:g} s",
        observed.oldest is not None and observed.oldest <= bound,
    )


def ended_with(code: int, task: str) -> Rule:
    """The task under load ended with exit code `code`."""

    def rule(observed: Observation) -> Bound:
        return Bound(f"exit code of {task}", str(observed.exit), str(code), observed.exit == code)

    return rule


def noticed_within(seconds: float) -> Rule:
    """A balancer detected the fault within `seconds`."""

    def rule(observed: Observation) -> Bound:
        took = detection_seconds(observed)
        shown = "never" if took is None else f"{took:.1f} s"
        return Bound(
            "detected after", shown, f"{seconds:g} s", took is not None and took <= seconds
        )

    return rule


def _share_text(bad: int, n: int) -> str:
    return f"{bad} of {n}"


def _split_samples(observed: Observation) -> tuple[list[Sample], list[Sample]]:
    """The requests that may be retried, and those that may not."""
    writes = figures.writes_of(observed.program)
    reads = [s for s in observed.samples if s.endpoint not in writes]
    return reads, [s for s in observed.samples if s.endpoint in writes]
