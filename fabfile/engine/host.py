"""What the engine must know of a host: name, address, roles, and how to log in."""

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
    """The IPv4 address of the host, for ssh and for the other hosts."""
    roles: tuple[str, ...]
    """The roles of the host: what it runs."""


class Address(NamedTuple):
    """Everything needed to reach a host by ssh.

    `name` is the name in the inventory; every message uses it. `timeout` is in seconds.
    """

    name: str
    host: str
    port: int
    user: str
    key: Path | None
    known_hosts: Path
    timeout: float

    @property
    def entry(self) -> str:
        """The name of the host in known_hosts."""
        return entry_name(self.host, self.port)

    @property
    def ssh(self) -> str:
        """The command with which a person logs in."""
        return f"ssh -p {self.port} {self.user}@{self.host}"
