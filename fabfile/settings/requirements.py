"""Bounds of the requirements that more than one room needs."""

from __future__ import annotations

from .bingo import SERVICE

LATENCY_BOUND = SERVICE.load.p90_ms / 1000
"""R3-R8, from the requirements: requests per second, requests per second, seconds."""
