"""The figures that the service is measured by, derived from its description where that has them."""

from __future__ import annotations

from .bingo import SERVICE
from .settings import Settings

PEAK_RATE = SERVICE.load.peak
"""Requests per second that the service carries for one minute."""

STEADY_RATE = SERVICE.load.steady
"""Requests per second that the service carries for good."""

LATENCY_BOUND = SERVICE.load.p90_ms / 1000
"""Seconds. At the peak rate, p90 of a single answer is below this."""

ERROR_SHARE = SERVICE.load.errors_percent / 100
"""The share of requests (0..1) that may fail."""

SESSION_LIST_ERROR_SHARE = SERVICE.uncached_by_requirement["R11"].errors_percent / 100
"""The same for the session list. It is larger, because this is the heaviest answer."""

RECOVERY_SECONDS = 60.0
"""Seconds within which a failed node recovers."""

CACHED_FAST_SECONDS = SERVICE.cache.within_seconds
"""An answer that may be cached counts as slow if it takes this long."""

CACHED_SLOW_SHARE = 1 - SERVICE.cache.within_share
"""The share of these answers (0..1) that may be slow."""

CACHED_AGE_SECONDS = float(SERVICE.cache.max_age)
"""Seconds. No answer from a cache may be older."""

READY_SECONDS = 5.0
"""Seconds from the start of the app until it is ready."""

CLOCK_SECONDS = 1.0
"""Seconds. A clock is off by less than this."""

CERTIFICATE_WARN_DAYS = 21
"""Renewal is due 30 days before the end: with 21 days left it has not worked for over a week."""

PUBLIC_WARN_DAYS = 10
"""The same for a public authority. Let's Encrypt goes down to 45 days, renewed with 15 left."""


def certificate_warn_days(settings: Settings) -> int:
    """Days before its end at which a certificate that was not renewed is a problem."""
    return PUBLIC_WARN_DAYS if settings.tls.acme else CERTIFICATE_WARN_DAYS


LOCK_WAIT_SECONDS = 20
"""A session that waits for a lock for longer needs a person: the balancer has long answered its
user with an error."""

IDLE_TRANSACTION_SECONDS = 300
"""A transaction that is open and idle for longer was forgotten, and holds its locks."""
