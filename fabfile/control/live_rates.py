"""From two readings of each edge to rates per endpoint, node and edge. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from .edge_counts import EdgeCounts, Tally, UserTally


@dataclass(frozen=True)
class Rate:
    """What happened per second between two readings, and what waits at the second."""

    requests: float = 0.0
    errors: float = 0.0
    queued: int = 0
    in_flight: int = 0
    busy_ms: float = 0.0
    """The requests of a second multiplied by their mean time, so that means can be added up."""
    within: Mapping[float, float] = field(default_factory=dict)
    """By bound in seconds: the answers of a second that took at most so long."""

    @property
    def error_share(self) -> float | None:
        """The share of requests that failed; None without requests."""
        # An answer may come an interval later than its request.
        return min(1.0, self.errors / self.requests) if self.requests else None

    @property
    def mean_ms(self) -> float | None:
        """Milliseconds of a mean answer; None without requests or where it is not known."""
        return self.busy_ms / self.requests if self.requests and self.busy_ms else None

    def percentile(self, share: float) -> float | None:
        """The lowest bound in seconds within which this share of the answers came; infinite above
        the last bound. None without answers, or where the bounds are not counted."""
        total = max(self.within.values(), default=0.0)
        if not total:
            return None
        # Counts are rises divided by seconds, so a comparison needs room for rounding.
        wanted = share * total - 1e-9
        return min(bound for bound, count in self.within.items() if count >= wanted)


@dataclass(frozen=True)
class EdgeRates:
    """The rates of one edge."""

    endpoints: Mapping[str, Rate] = field(default_factory=dict)
    nodes: Mapping[str, Rate] = field(default_factory=dict)


def find_rates(before: EdgeCounts, now: EdgeCounts) -> EdgeRates:
    """The rates of one edge between two of its readings.

    An endpoint is counted at nginx if the edge counts there, else at HAProxy, which sees no answer
    from the cache.
    """
    # A daemon that did not answer the first time has no known rise; what it counted since its start
    # would look like a burst.
    if before.users is None:
        now = replace(now, users=None)
    if not before.endpoints:
        before = replace(before, endpoints=now.endpoints, servers=now.servers)
    seconds = max(now.seconds - before.seconds, 0.01)  # /proc/uptime counts hundredths
    nodes: dict[str, Rate] = {}
    for key, tally in now.servers.items():
        _, node = key
        rate = _rate_tally(before.servers.get(key, Tally()), tally, seconds)
        nodes[node] = add_rates([nodes.get(node, Rate()), rate])
    return EdgeRates(
        {
            name: _rate_endpoint(name, before, now, seconds)
            for name in dict.fromkeys([*now.endpoints, *(now.users or {})])
        },
        nodes,
    )


def _rate_endpoint(name: str, before: EdgeCounts, now: EdgeCounts, seconds: float) -> Rate:
    inner = _rate_tally(
        before.endpoints.get(name, Tally()), now.endpoints.get(name, Tally()), seconds
    )
    if before.users is None or now.users is None:
        return inner
    none = UserTally(0, 0, {})
    old, new = before.users.get(name, none), now.users.get(name, none)
    return Rate(
        requests=_rise(old.requests, new.requests) / seconds,
        errors=_rise(old.errors, new.errors) / seconds,
        queued=inner.queued,
        in_flight=inner.in_flight,
        within={
            bound: _rise(old.within.get(bound, 0), count) / seconds
            for bound, count in new.within.items()
        },
    )


def _rate_tally(before: Tally, now: Tally, seconds: float) -> Rate:
    requests = _rise(before.requests, now.requests) / seconds
    return Rate(
        requests=requests,
        errors=_rise(before.errors, now.errors) / seconds,
        queued=now.queued,
        in_flight=now.in_flight,
        busy_ms=requests * now.mean_ms,
    )


def _rise(before: int, now: int) -> int:
    """By how much a counter rose. A restart or reload of the daemon sets it back to 0."""
    return now - before if now >= before else now


def add_rates(rates: Iterable[Rate]) -> Rate:
    """The sum of rates, such as those of an endpoint at all edges."""
    total = Rate()
    for rate in rates:
        total = Rate(
            total.requests + rate.requests,
            total.errors + rate.errors,
            total.queued + rate.queued,
            total.in_flight + rate.in_flight,
            total.busy_ms + rate.busy_ms,
            {
                bound: total.within.get(bound, 0.0) + rate.within.get(bound, 0.0)
                for bound in {**total.within, **rate.within}
            },
        )
    return total


def add_up(edges: Iterable[Mapping[str, Rate]]) -> dict[str, Rate]:
    """The sums by name over all edges."""
    rows = list(edges)
    names = dict.fromkeys(name for rates in rows for name in rates)
    return {name: add_rates(rates[name] for rates in rows if name in rates) for name in names}
