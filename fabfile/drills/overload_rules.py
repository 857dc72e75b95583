"""What must hold in a drill when more is asked than the apps can take. Pure, as rules.py."""

from __future__ import annotations

from ..settings.service import Service
from ..traffic.stats import percentile_of
from .model import Observation, Rule
from .result import Bound


def dip_within(seconds: float) -> Rule:
    """For at most `seconds` fewer than 90 % of the peak load are answered per second: the surplus
    waits for the other node."""

    def rule(observed: Observation) -> Bound:
        rate = observed.program.load.peak
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


def served_in_time(after: float) -> Rule:
    """One node gives at least the right answers per second of `rate_of_one`, 90 % of them in time.

    The first `after` seconds do not count: requests may then wait for the lost node instead of
    being refused.
    """

    def rule(observed: Observation) -> Bound:
        rate, bound = rate_of_one(observed.program), observed.program.load.latency_bound
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
        held = served >= rate and p90 < bound
        return Bound(
            f"served after {after:.0f} s",
            shown,
            f"{rate:.0f}/s, p90 < {bound * 1000:.0f} ms",
            held,
        )

    return rule


ONE_NODE = 0.87
"""The share of its own limit that one node must carry: checks and retries need the rest."""

ONE_NODE_OF_PEAK = 0.9
"""The share of the peak load that one node without a limit must carry."""


def rate_of_one(program: Service) -> float:
    """Requests per second that one node must answer right."""
    most = ONE_NODE_OF_PEAK * program.load.peak
    return min(ONE_NODE * program.limits.rate, most) if program.limits.rate else most


SETTLE = 5.0
"""Seconds until the queue of the time before is empty: its longest wait (pace.lua)."""


def refused_fast(seconds: float) -> Rule:
    """A refused request gets an answer, within `seconds`."""

    def rule(observed: Observation) -> Bound:
        bad = [s for s in observed.samples if not s.ok]
        slowest = max((s.done - s.intended for s in bad), default=0.0)
        mute = sum(not s.status for s in bad)
        shown = f"{len(bad)}, slowest {slowest:.2f} s, {mute} without answer"
        return Bound(
            "refused", shown, f"{seconds:g} s, all answered", slowest <= seconds and not mute
        )

    return rule
