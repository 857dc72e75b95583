"""What the engine must know of a host: name, address, roles, and how to log in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from .kinds import Bastion, HostName, Login, Port
from .known_hosts import entry_name


@dataclass(frozen=True)
class HostSsh:
    """How the controller reaches this host, where that differs from `[ssh]`."""

    host: HostName = ""
    """The name, or the IPv4 or IPv6 address, for ssh only. Default: `address` of the host."""
    port: Port | None = None
    """The TCP port of sshd, as the controller or the last bastion sees it."""
    user: Login = ""
    """The user. It needs `sudo` without a password."""
    key: Path | None = None
    """The private key."""
    jump: tuple[Bastion, ...] | None = None
    """The bastions on the way. An empty list: this host is reached directly."""


@dataclass(frozen=True)
class Node:
    """A host: the name used on the command line, its address and its roles."""

    name: str
    address: str
    """The IPv4 address that services bind to and that the other hosts call. Without `ssh.host`, the
    controller uses it for ssh too."""
    roles: tuple[str, ...]
    """The roles of the host: what it runs."""
    ssh: HostSsh = HostSsh()
    """How the controller reaches the host, where that differs from `[ssh]`."""


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
    via: Address | None = None
    """The bastion from which the host is reached; None: directly from here."""
    behind: tuple[str, ...] = ()
    """The hosts that are reached through this one, if it is a bastion."""

    @property
    def entry(self) -> str:
        """The name of the host in known_hosts."""
        return entry_name(self.host, self.port)

    @property
    def ssh(self) -> str:
        """The command with which a person logs in."""
        jump = f"-J {self.jumps} " if self.via else ""
        return f"ssh {jump}-p {self.port} {self.user}@{self.host}"

    @property
    def jumps(self) -> str:
        """The bastions on the way, as ssh takes them."""
        return ",".join(f"{hop.user}@{_bracket(hop.host)}:{hop.port}" for hop in self.way[:-1])

    @property
    def way(self) -> list[Address]:
        """The bastions, the nearest first, and then the host."""
        return [*(self.via.way if self.via else []), self]

    @property
    def facts(self) -> dict[str, object]:
        """The names that texts in causes.py use."""
        return {
            "name": self.name,
            "user": self.user,
            "host": self.host,
            "port": self.port,
            "ssh": self.ssh,
        }


def _bracket(host: str) -> str:
    """`host` as it is written before a port."""
    return f"[{host}]" if ":" in host else host
