"""The figures that every service is measured by. Those of one service are in its file."""

from __future__ import annotations

from .settings import Settings

RECOVERY_SECONDS = 60.0
"""Seconds within which a failed node recovers."""

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
