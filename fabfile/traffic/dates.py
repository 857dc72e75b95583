"""Dates in HTTP headers."""

from __future__ import annotations

from email.utils import parsedate_to_datetime


def parse_http_date(header: str) -> float | None:
    """A Date header as seconds since 1970; None if it is not a date."""
    try:
        return parsedate_to_datetime(header).timestamp()
    except ValueError:
        return None
