"""How much of everything a run asks, and what that is enough to prove."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..settings.requirements import PEAK_RATE, STEADY_RATE


@dataclass(frozen=True)
class Plan:
    """The size of a run. Times in seconds, rates per second.

    `rounds` of freshness questions at least `gap` apart ask each list twice, until its budget is
    used up. `writes` sessions are created and deleted again at `write_rate`. The cached endpoint is
    asked for `cache_seconds` at least, beside all else, with idle gaps of up to `cache_gap`. Over
    QUIC, `quic_each` requests on each of its connections. With `proof`, R3-R8 hold only at 95 %
    confidence.
    """

    name: str
    peak: float
    steady: float
    rounds: int
    writes: int
    pings: int
    list_budget: float
    session_list_budget: float
    proof: bool
    cache_seconds: float
    cache_gap: float
    quic_connections: int
    quic_each: int
    gap: float = 1.6
    cache_apart: float = 1.1
    write_rate: float = 40.0
    timeout: float = 10.0
    list_timeout: float = 30.0
    peak_rate: float = PEAK_RATE
    steady_rate: float = STEADY_RATE


FULL = Plan(
    name="full",
    peak=60,  # 1 440 requests of each of R4-R8: up to 7 errors still prove "at most 1 %"
    steady=30,
    rounds=10,  # 20 of each list
    writes=300,  # 299 without an error prove "at most 1 %"
    pings=60,
    list_budget=60,
    session_list_budget=150,
    proof=True,
    cache_seconds=150,  # about as long as all else takes
    cache_gap=66,  # longer than an answer may be kept
    quic_connections=5,
    quic_each=4,
)

QUICK = Plan(
    name="quick",
    peak=13,  # 312 of each: without an error that still proves "at most 1 %"
    steady=5,  # 20 of each way in which each of R6-R8 is asked
    rounds=3,
    writes=40,
    pings=20,
    list_budget=3,
    session_list_budget=6,
    proof=False,
    cache_seconds=20,
    cache_gap=8,
    quic_connections=2,
    quic_each=3,
)


def with_cache_for(plan: Plan, minutes: float) -> Plan:
    """The plan with a longer look at the cache: idle gaps of 0 to 90 s for so many minutes."""
    return replace(plan, cache_seconds=60 * minutes, cache_gap=90)
