"""What is known when an attempt is judged."""

from __future__ import annotations

from dataclasses import dataclass

from .help_text import Commands
from .model import Destination, Program

SERVICES = {
    5432: "PostgreSQL",
    3306: "MySQL",
    6379: "Redis",
    27017: "MongoDB",
    11211: "memcached",
    5672: "RabbitMQ",
    9092: "Kafka",
    2379: "etcd",
}
"""Ports of services that hold a program's data. Calls to them are never rejected, because the
program needs them."""


@dataclass(frozen=True)
class SearchState:
    """What is known and what was tried when an attempt is judged."""

    program: Program
    commands: Commands
    known: frozenset[Destination] = frozenset()
    """Services the program is meant to reach (its database)."""
    rejected: frozenset[Destination] = frozenset()
    tried: frozenset[str] = frozenset()
    """Commands that were tried."""
    ruled_out: frozenset[str] = frozenset()
    """Paths that were created, with or without effect: creating them again would not help."""
    retried: bool = False
