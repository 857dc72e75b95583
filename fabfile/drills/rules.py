"""What must hold in a drill, as rules: each makes one judged bound of what was observed. Pure;
bounds come from the requirements."""

from __future__ import annotations

from ..traffic.calls import cached_call
from . import figures
from .model import BUDGET, Observation, Rule
from .result import Bound

FEW = 0.002
"""Share of POSTs that may fail: those in flight at the instant of a fault."""
RECOVERY = 60.0
"""R2, in seconds."""


def no_failed_gets(seen: Observation) -> Bound:
    """R1's aim: whatever may be asked twice never fails."""
    bad = [s for s in seen.samples if not s.ok and s.endpoint not in figures.WRITES]
    return Bound(
        "failed GETs", _share_text(len(bad), _count_requests(seen, gets=True)), "0", not bad
    )


def few_failed_posts(seen: Observation) -> Bound:
    """What may be executed once only fails where it was in flight: at most 0.2 %, or a single
    one."""
    posts = [s for s in seen.samples if s.endpoint in figures.WRITES]
    bad = sum(not s.ok for s in posts)
    return Bound(
        "failed POSTs, DELETEs",
        _share_text(bad, len(posts)),
        "0.2 %",
        bad <= max(1, FEW * len(posts)),
    )


def only_posts_in_hand(seen: Observation) -> Bound:
    """Where a fault is not felt at once, what may be executed once only fails if the node had it
    when the fault began."""
    posts = [s for s in seen.samples if s.endpoint in figures.WRITES]
    bad = [s for s in posts if not s.ok]
    late = sum(s.intended > seen.fault + ABOUT for s in bad)
    shown = f"{_share_text(len(bad), len(posts))}, {late} of them later"
    return Bound("failed POSTs, DELETEs", shown, "none sent after the fault", not late)


ABOUT = 0.7
"""Seconds by which a fault's begin is known: it is made over ssh."""


def no_failures(seen: Observation) -> Bound:
    """What is planned costs no request of any method."""
    bad = sum(not s.ok for s in seen.samples)
    return Bound("failed requests", _share_text(bad, len(seen.samples)), "0", not bad)


def failed_at_most(count: int) -> Rule:
    """So many requests of any method may fail, however long the drill takes."""

    def rule(seen: Observation) -> Bound:
        bad = sum(not s.ok for s in seen.samples)
        return Bound(
            "failed requests", _share_text(bad, len(seen.samples)), str(count), bad <= count
        )

    return rule


def answered_within(seconds: float) -> Rule:
    """Nobody waits longer than `seconds`, neither for an answer nor for a failure."""

    def rule(seen: Observation) -> Bound:
        longest = max((s.done - s.intended for s in seen.samples), default=0.0)
        return Bound("longest wait", f"{longest:.2f} s", f"{seconds:g} s", longest <= seconds)

    return rule


def within_budget(seen: Observation) -> Bound:
    """R1's limit."""
    share = figures.budget_share(seen.samples) * BUDGET
    return Bound(
        "failed requests", f"{100 * share:.2f} %", f"{100 * BUDGET:.0f} %", share <= BUDGET
    )


def unaffected_hold(*endpoints: str) -> Rule:
    """Requests that do not need what was broken do not fail."""

    def rule(seen: Observation) -> Bound:
        mine = [s for s in seen.samples if s.endpoint in endpoints]
        bad = sum(not s.ok for s in mine)
        return Bound(f"failed {', '.join(endpoints)}", _share_text(bad, len(mine)), "0", not bad)

    return rule


def gap_within(seconds: float) -> Rule:
    """The longest time in which nobody got a right answer."""

    def rule(seen: Observation) -> Bound:
        longest = figures.longest_gap(seen.samples, seen.fault)
        return Bound("longest gap", f"{longest:.2f} s", f"{seconds:g} s", longest <= seconds)

    return rule


def recovered_within(seconds: float = RECOVERY) -> Rule:
    """R2: well again by itself, counted from the fault or, when the drill ended that, from its
    end."""

    def rule(seen: Observation) -> Bound:
        took = recovery_seconds(seen)
        known = (
            f"{took:.1f} s"
            if took is not None
            else "not by itself"
            if not seen.by_itself
            else "never"
        )
        return Bound(
            "well again after", known, f"{seconds:g} s", took is not None and took <= seconds
        )

    return rule


def recovery_seconds(seen: Observation) -> float | None:
    """Seconds until all was well by itself; None when it was not, or the drill had to mend what
    should mend itself."""
    if seen.recovered is None or not seen.by_itself:
        return None
    return max(0.0, seen.recovered - (seen.fault if seen.undone is None else seen.undone))


def fault_was_felt(slow: float) -> Rule:
    """There was a fault: while it lasted a request failed, or took longer than `slow` seconds."""

    def rule(seen: Observation) -> Bound:
        end = float("inf") if seen.undone is None else seen.undone
        during = [s for s in seen.samples if seen.fault <= s.intended < end]
        bad, slowest = sum(not s.ok for s in during), max((s.latency for s in during), default=0.0)
        return Bound(
            "felt",
            f"{bad} failed, slowest {slowest:.2f} s",
            f"a failure, or > {slow:g} s",
            bad > 0 or slowest > slow,
        )

    return rule


def never_older_than(seconds: float) -> Rule:
    """R16: the answer that the edge keeps."""

    def rule(seen: Observation) -> Bound:
        shown = "none seen" if seen.oldest is None else f"{seen.oldest:.0f} s"
        return Bound(
            f"oldest {cached_call().path}",
            shown,
            f"{seconds:g} s",
            seen.oldest is not None and seen.oldest <= seconds,
        )

    return rule


def ended_with(code: int, task: str) -> Rule:
    """The task that was run under load ended with this exit code."""

    def rule(seen: Observation) -> Bound:
        return Bound(f"exit code of {task}", str(seen.exit), str(code), seen.exit == code)

    return rule


def noticed_within(seconds: float) -> Rule:
    """A balancer took note."""

    def rule(seen: Observation) -> Bound:
        took = None if seen.detected is None else seen.detected - seen.fault
        shown = "never" if took is None else f"{took:.1f} s"
        return Bound("noticed after", shown, f"{seconds:g} s", took is not None and took <= seconds)

    return rule


def _share_text(bad: int, n: int) -> str:
    return f"{bad} of {n}"


def _count_requests(seen: Observation, *, gets: bool) -> int:
    return sum((s.endpoint not in figures.WRITES) == gets for s in seen.samples)
