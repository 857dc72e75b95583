"""The load that a service promises to carry."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from .kinds import HeaderName, Percent, Positive
from .program import ServiceTable


class PromisedLoad(ServiceTable, frozen=True):
    """The load that the service must carry: requests per second for one minute (`peak`) and without
    end (`steady`), the p90 of the answers, and the share that may fail."""

    peak: Annotated[float, Meta(ge=1)] = 120.0
    """Requests per second for one minute."""
    steady: Annotated[float, Meta(ge=1)] = 60.0
    """Requests per second without end."""
    p90_ms: Positive = 400
    """The p90 of the answers, in milliseconds."""
    errors_percent: Percent = 1.0
    """The share of requests that may fail, in percent."""
    headers: dict[HeaderName, str] = {}
    """Headers of every sample request. Their values are secrets."""

    @property
    def error_share(self) -> float:
        """The share of requests (0..1) that may fail."""
        return self.errors_percent / 100

    @property
    def latency_bound(self) -> float:
        """Seconds that p90 stays below."""
        return self.p90_ms / 1000
