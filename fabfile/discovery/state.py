"""What is known when an attempt is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .help_text import Commands
from .model import Destination, Program, ValueFor

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


def no_value(name: str) -> None:
    """Know no value for any environment variable."""


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
    migrate: tuple[str, ...] | None = None
    """Its arguments that change the tables, by its help."""
    address_ways: tuple[str, ...] = ()
    """Its options and variables that may change where it listens."""
    libraries: Mapping[str, str] = field(default_factory=dict)
    """Libraries that the host lacks, with the Debian package that has each, or ""."""
    value_for: ValueFor = no_value
