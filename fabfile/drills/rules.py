"""What must hold in a drill, as rules: each makes one judged bound of what was observed. Pure;
bounds come from the requirements."""

from __future__ import annotations

from ..settings.requirements import LATENCY_BOUND
from ..traffic.stats import percentile_of
from . import figures
from .model import BUDGET, Observation, Rule
from .result import Bound

FEW = 0.002
"""Share of POSTs that may fail: those in flight at the instant of a fault."""
RECOVERY = 60.0
"""R2, in seconds."""


def no_failed_gets(observed: Observation) -> Bound:
    """R1's aim: whatever may be asked twice never fails."""
    bad = [s for s in observed.samples if not s.ok and s.endpoint not in figures.WRITES]
    return Bound(
        "failed GETs", _share_text(len(bad), _count_requests(observed, gets=True)), "0", not bad
    )


def few_failed_posts(observed: Observation) -> Bound:
    """What may be executed once only fails where it was in flight: at most 0.2 %, or a single
    one."""
    posts = [s for s in observed.samples if s.endpoint in figures.WRITES]
    bad = sum(not s.ok for s in posts)
    return Bound(
        "failed POSTs, DELETEs",
        _share_text(bad, len(posts)),
        "0.2 %",
        bad <= max(1, FEW * len(posts)),
    )


def only_posts_in_flight(observed: Observation) -> Bound:
    """Where a fault is not felt at once, what may be executed once only fails if the node had it
    when the fault began."""
    posts = [s for s in observed.samples if s.endpoint in figures.WRITES]
    bad = [s for s in posts if not s.ok]
    late = sum(s.intended > observed.fault + ABOUT for s in bad)
    shown = f"{_share_text(len(bad), len(posts))}, {late} of them later"
    return Bound("failed POSTs, DELETEs", shown, "none sent after the fault", not late)


ABOUT = 0.7
"""Seconds by which a fault's begin is known: it is made over ssh."""


def no_failures(observed: Observation) -> Bound:
    """What is planned costs no request of any method."""
    bad = sum(not s.ok for s in observed.samples)
    return Bound("failed requests", _share_text(bad, len(observed.samples)), "0", not bad)


def failed_at_most(count: int) -> Rule:
    """So many requests of any method may fail, however long the drill takes."""

    def rule(observed: Observation) -> Bound:
        bad = sum(not s.ok for s in observed.samples)
        return Bound(
            "failed requests", _share_text(bad, len(observed.samples)), str(count), bad <= count
        )

    return rule


def answered_within(seconds: float) -> Rule:
    """Nobody waits longer than `seconds`, neither for an answer nor for a failure."""

    def rule(observed: Observation) -> Bound:
        longest = max((s.done - s.intended for s in observed.samples), default=0.0)
        return Bound("longest wait", f"{longest:.2f} s", f"{seconds:g} s", longest <= seconds)

    return rule


def within_budget(observed: Observation) -> Bound:
    """R1's limit."""
    share = figures.budget_share(observed.samples) * BUDGET
    return Bound(
        "failed requests", f"{100 * share:.2f} %", f"{100 * BUDGET:.0f} %", share <= BUDGET
    )


def unaffected_hold(*endpoints: str) -> Rule:
    """Requests that do not need what was broken do not fail."""

    def rule(observed: Observation) -> Bound:
        mine = [s for s in observed.samples if s.endpoint in endpoints]
        bad = sum(not s.ok for s in mine)
        return Bound(f"failed {', '.join(endpoints)}", _share_text(bad, len(mine)), "0", not bad)

    return rule


def gap_within(seconds: float) -> Rule:
    """The longest time in which nobody got a right answer."""

    def rule(observed: Observation) -> Bound:
        longest = figures.longest_gap(observed.samples, observed.fault)
        return Bound("longest gap", f"{longest:.2f} s", f"{seconds:g} s", longest <= seconds)

    return rule


def recovered_within(seconds: float = RECOVERY) -> Rule:
    """R2: well again by itself, counted from the fault or, when the drill ended that, from its
    end."""

    def rule(observed: Observation) -> Bound:
        took = recovery_seconds(observed)
        known = (
            f"{took:.1f} s"
            if took is not None
            else "not by itself"
            if not observed.by_itself
            else "never"
        )
        return Bound(
            "well again after", known, f"{seconds:g} s", took is not None and took <= seconds
        )

    return rule


def recovery_seconds(observed: Observation) -> float | None:
    """Seconds until all was well by itself; None when it was not, or the drill had to mend what
    should mend itself."""
    if observed.recovered is None or not observed.by_itself:
        return None
    return max(
        0.0, observed.recovered - (observed.fault if observed.undone is None else observed.undone)
    )


def dip_within(seconds: float, rate: float) -> Rule:
    """How long fewer than nine tenths of the `rate` offered were answered each second: the
    surplus that waits for the other node."""

    def rule(observed: Observation) -> Bound:
        done = [0] * (int(max((s.done for s in observed.samples), default=0)) + 1)
        for sample in observed.samples:
            if sample.ok:
                done[int(sample.done)] += 1
        slow = [
            t
            for t, count in enumerate(done[:-1])
            if t >= int(observed.fault) and count < 0.9 * rate
        ]
        length = slow[-1] - slow[0] + 1 if slow else 0
        return Bound("dip in answers a second", f"{length} s", f"{seconds:g} s", length <= seconds)

    return rule


def fault_was_felt(slow: float) -> Rule:
    """There was a fault: while it lasted a request failed, or took longer than `slow` seconds."""

    def rule(observed: Observation) -> Bound:
        end = float("inf") if observed.undone is None else observed.undone
        during = [s for s in observed.samples if observed.fault <= s.intended < end]
        bad, slowest = sum(not s.ok for s in during), max((s.latency for s in during), default=0.0)
        return Bound(
            "felt",
            f"{bad} failed, slowest {slowest:.2f} s",
            f"a failure, or > {slow:g} s",
            bad > 0 or slowest > slow,
        )

    return rule


def served_in_time(rate: float, after: float) -> Rule:
    """What fits is served: so many right answers a second, nine in ten of them in less than 400 ms
    (R4-R8).

    The first seconds do not count: until `after`, all may wait for the lost node to come back, so
    that nobody is refused.
    """

    def rule(observed: Observation) -> Bound:
        begin = observed.fault + after + SETTLE
        end = (
            observed.undone
            if observed.undone is not None
            else max((s.intended for s in observed.samples), default=0.0)
        )
        right = sorted(s.latency for s in observed.samples if s.ok and begin <= s.intended < end)
        served = len(right) / max(1e-9, end - begin)
        p90 = percentile_of(right, 0.9) if right else float("inf")
        shown = f"{served:.0f}/s, p90 {p90 * 1000:.0f} ms"
        held = served >= rate and p90 < LATENCY_BOUND
        return Bound(
            f"served after {after:.0f} s",
            shown,
            f"{rate:.0f}/s, p90 < {LATENCY_BOUND * 1000:.0f} ms",
            held,
        )

    return rule


SETTLE = 5.0
"""Seconds more until the queue of the time before is empty: so long it may get (pace.lua)."""


def refused_fast(seconds: float) -> Rule:
    """What is refused is refused at once, with an answer."""

    def rule(observed: Observation) -> Bound:
        bad = [s for s in observed.samples if not s.ok]
        slowest = max((s.done - s.intended for s in bad), default=0.0)
        mute = sum(not s.status for s in bad)
        shown = f"{len(bad)}, slowest {slowest:.2f} s, {mute} without answer"
        return Bound(
            "refused", shown, f"{seconds:g} s, all answered", slowest <= seconds and not mute
        )

    return rule


def never_older_than(seconds: float) -> Rule:
    """R16: an answer of /long_dummy."""

    def rule(observed: Observation) -> Bound:
        shown = "none seen" if observed.oldest is None else f"{observed.oldest:.0f} s"
        return Bound(
            "oldest /long_dummy",
            shown,
            f"{seconds:g} s",
            observed.oldest is not None and observed.oldest <= seconds,
        )

    return rule


def ended_with(code: int, task: str) -> Rule:
    """The task that was run under load ended with this exit code."""

    def rule(observed: Observation) -> Bound:
        return Bound(f"exit code of {task}", str(observed.exit), str(code), observed.exit == code)

    return rule


def noticed_within(seconds: float) -> Rule:
    """A balancer took note."""

    def rule(observed: Observation) -> Bound:
        took = None if observed.detected is None else observed.detected - observed.fault
        shown = "never" if took is None else f"{took:.1f} s"
        return Bound("noticed after", shown, f"{seconds:g} s", took is not None and took <= seconds)

    return rule


def _share_text(bad: int, n: int) -> str:
    return f"{bad} of {n}"


def _count_requests(observed: Observation, *, gets: bool) -> int:
    return sum((s.endpoint not in figures.WRITES) == gets for s in observed.samples)
