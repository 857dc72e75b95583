"""A host as the engine knows it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from .known_hosts import entry_name


@dataclass(frozen=True)
class Node:
    """A host: the name used on the command line, its address and its roles."""

    name: str
    address: str
    """The IPv4 address of the host. ssh and the other hosts use it."""
    roles: tuple[str, ...]
    """What the host runs."""


class Address(NamedTuple):
    """Everything needed to reach a host. `name` is the inventory's, used in every message."""

    name: str
    host: str
    port: int
    user: str
    key: Path | None
    known_hosts: Path
    timeout: float

    @property
    def entry(self) -> str:
        """How known_hosts names it."""
        return entry_name(self.host, self.port)
