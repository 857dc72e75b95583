"""How many requests a check makes, and what they are enough to prove."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..settings.bounds import PEAK_RATE, STEADY_RATE


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The size of a run. Times are in seconds, rates per second.

    Attributes:
        name: what the run is called.
        peak: how long the peak load lasts.
        steady: how long the steady load lasts.
        rounds: how often freshness is probed; each round requests every list twice.
        writes: how many sessions are created and deleted.
        pings: how many pings are sent.
        list_budget: the time for each list; no request is made after that.
        session_list_budget: the same for the session list.
        proof: whether R3-R8 hold only at 95 % confidence.
        cache_seconds: how long the cached endpoint is requested at least, beside all else.
        cache_gap: the longest time without a request to the cached endpoint.
        quic_connections: how many connections are made over QUIC.
        quic_each: how many requests are made on each of them.
        gap: the shortest time between two rounds.
        cache_apart: the time between two requests that no cache can answer.
        write_rate: the rate of creating and of deleting sessions.
        timeout: the time for one answer.
        list_timeout: the time for a whole list.
        peak_rate: the peak load.
        steady_rate: the steady load.
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
    peak=60,  # 1 440 requests of each of R4-R8: up to 7 errors prove "at most 1 %"
    steady=30,
    rounds=10,  # 20 requests of each list
    writes=300,  # 299 requests without an error prove "at most 1 %"
    pings=60,
    list_budget=60,
    session_list_budget=150,
    proof=True,
    cache_seconds=150,  # about as long as all other phases together
    cache_gap=66,  # longer than a cache may keep an answer (R16)
    quic_connections=5,
    quic_each=4,
)

QUICK = Plan(
    name="quick",
    peak=13,  # 312 requests of each: 0 errors still prove "at most 1 %"
    steady=5,  # 20 requests in each way of freshness_timing
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


def with_cache_minutes(plan: Plan, minutes: float) -> Plan:
    """The plan with a longer test of the cache, with idle gaps of up to 90 s."""
    return replace(plan, cache_seconds=60 * minutes, cache_gap=90)
