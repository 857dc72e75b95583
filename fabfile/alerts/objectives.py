"""What the service promises its users, as shares of requests that may be bad, and how fast such a
budget may burn before somebody is called. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..settings.endpoint import Endpoint
from ..settings.service import Service

TIMED_KINDS = ("operation", "database", "read")
"""Kinds of calls whose answers must come within `PromisedLoad.p90_ms` (R4-R8)."""

IN_TIME = 0.9
"""The share that a 90th percentile bounds."""

HIGHEST_SHARE = 0.9
"""No rule waits for more than this share of bad requests: with a budget of 10 % a factor of 14.4
would ask for 144 % of them, and never fire."""


@dataclass(frozen=True)
class BurnWindow:
    """A rule's two windows, and how many times faster than allowed the budget must burn in both.
    The short one ends the alert soon after the trouble."""

    long: str
    short: str
    factor: float
    severity: str
    at_least: int = 0
    """Bad requests within the long window without which nobody is called."""
    now: str = ""
    """A still shorter window, in which the promise itself must be broken. The alert ends within
    this time after users are served well again, or after the last request."""
    history: str = ""
    """How long ago figures must have been recorded already. Before that, the long window holds only
    the first minutes of a site, and a bad one among them would be a large share."""


WINDOWS = (
    # Ours: a tenth of the requests must page within 2 minutes, and 14.4 times 1 % is more than
    # that. The count keeps a single failed request at night from calling anybody.
    BurnWindow("2m", "30s", 5, "page", at_least=10),
    # The rest is the Google SRE workbook's table for 30 days ("Alerting on SLOs", 6.).
    BurnWindow("1h", "5m", 14.4, "page", at_least=10),
    # Ours: `now`, without which a burst of a few minutes would page until half an hour after it.
    BurnWindow("6h", "30m", 6, "page", at_least=10, now="5m"),
    # Ours: the promise itself is broken at the moment, too slowly to page.
    BurnWindow("15m", "5m", 1, "inform", at_least=10),
    BurnWindow("1d", "2h", 3, "inform", history="12h"),
    BurnWindow("3d", "6h", 1, "inform", history="36h"),
)


@dataclass(frozen=True)
class Objective:
    """At most `budget` of an endpoint's requests may be bad: failed, or, with `within`, answered
    later than so many seconds."""

    endpoint: Endpoint
    budget: float
    within: float = 0.0

    @property
    def kind(self) -> str:
        """`errors` or `slow`."""
        return "slow" if self.within else "errors"

    def limit(self, window: BurnWindow) -> float:
        """The share of bad requests above which `window` calls. Always below 1, so that it can."""
        return min(window.factor * self.budget, max(HIGHEST_SHARE, self.budget))


def service_objectives(service: Service) -> Iterator[Objective]:
    """Every promise that users can see broken. The health call has none: its 500 is an answer."""
    for endpoint in service.by_id.values():
        if service.find_kind(endpoint) == "health":
            continue
        yield Objective(endpoint, service.error_share(endpoint))
        if endpoint.cache:
            yield Objective(
                endpoint, 1 - endpoint.cache.within_share, endpoint.cache.within_seconds
            )
        elif service.find_kind(endpoint) in TIMED_KINDS:
            yield Objective(endpoint, 1 - IN_TIME, service.latency_bound(endpoint))
