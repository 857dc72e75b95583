"""How many requests a check makes, and what they are enough to prove."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..settings.load import PromisedLoad


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The size of a run. Times are in seconds, rates per second.

    Attributes:
        name: what the run is called.
        peak: how long the peak load lasts.
        steady: how long the steady load lasts.
        rounds: how often freshness is probed; each round requests every list twice.
        writes: how many rows are created and deleted.
        pings: how many pings are sent.
        list_budget: the time for each list; no request is made after that.
        own_list_budget: the same for a list that shows rows of the check.
        proof: whether single answers and R3 hold only at 95 % confidence.
        cache_seconds: how long the cached endpoint is requested at least, beside all else.
        cache_gap: the longest time without a request to the cached endpoint.
        quic_connections: how many connections are made over QUIC.
        quic_each: how many requests are made on each of them.
        gap: the shortest time between two rounds.
        cache_apart: the time between two requests that no cache can answer.
        write_rate: the rate of creating and of deleting rows.
        timeout: the time for one answer.
        list_timeout: the time for a whole list.
        peak_rate: the peak load; 0 until the service is known.
        steady_rate: the steady load; 0 until the service is known.
    """

    name: str
    peak: float
    steady: float
    rounds: int
    writes: int
    pings: int
    list_budget: float
    own_list_budget: float
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
    peak_rate: float = 0.0
    steady_rate: float = 0.0


FULL = Plan(
    name="full",
    peak=60,  # 1 440 of each of five endpoints at 120/s: up to 7 errors prove "at most 1 %"
    steady=30,
    rounds=10,  # 20 requests of each list
    writes=300,  # 299 requests without an error prove "at most 1 %"
    pings=60,
    list_budget=60,
    own_list_budget=150,
    proof=True,
    cache_seconds=150,  # about as long as all other phases together
    cache_gap=66,  # longer than a cache may keep an answer
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
    own_list_budget=6,
    proof=False,
    cache_seconds=20,
    cache_gap=8,
    quic_connections=2,
    quic_each=3,
)


def with_cache_minutes(plan: Plan, minutes: float) -> Plan:
    """The plan with a longer test of the cache, with idle gaps of up to 90 s."""
    return replace(plan, cache_seconds=60 * minutes, cache_gap=90)


def with_rates(plan: Plan, load: PromisedLoad) -> Plan:
    """The plan with the rates of a service, where it has none of its own."""
    return replace(
        plan,
        peak_rate=plan.peak_rate or load.peak,
        steady_rate=plan.steady_rate or load.steady,
    )
