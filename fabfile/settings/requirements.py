"""Bounds of the requirements that more than one room needs."""

from __future__ import annotations

LATENCY_BOUND = 0.4
"""R3-R8, from the requirements: requests per second, requests per second, seconds."""
