"""Names and addresses: which hosts exist, and what the bridge, folders … of lab N are called.

All of it derives from one setting, the environment variable LAB (0..99, default 0), so two labs
never share anything.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError

STATE = Path("/var/lib/runbook-lab")
CACHE = Path("/var/cache/runbook-lab")
USER = "ops"  # the unprivileged ssh user, as on cloud images


@dataclass(frozen=True)
class Host:
    """A host of the lab: its name, the last part of its address, its roles."""

    name: str
    number: int
    roles: tuple[str, ...]


HOSTS = {
    host.name: host
    for host in (
        Host("edge1", 11, ("edge",)),
        Host("edge2", 12, ("edge",)),
        Host("node1", 21, ("app",)),
        Host("node2", 22, ("app",)),
        Host("db1", 31, ("postgres",)),
    )
}
"""The hosts that `lab.up` makes."""

BALANCER = "lb1"
"""The host that stands in for a provider's balancer. It has no role: the runbook does not know it,
as it does not know a provider's."""

BASTION = "bastion1"
"""The host through which the others are reached. It has no role: the runbook only passes it."""

ALL = HOSTS | {
    "mon1": Host("mon1", 41, ("monitoring",)),
    BALANCER: Host(BALANCER, 51, ()),
    BASTION: Host(BASTION, 61, ()),
}
"""HOSTS, and the hosts that `lab.up` makes only when they are named: the service does not need
them."""


@dataclass(frozen=True)
class Lab:
    """The names and addresses that derive from the lab's number."""

    number: int

    @property
    def bridge(self) -> str:
        """The name of the bridge, of the nftables table and of the cgroup."""
        return f"rblab{self.number}"

    @property
    def subnet(self) -> str:
        return f"10.77.{self.number}.0/24"

    @property
    def gateway(self) -> str:
        return f"10.77.{self.number}.1"

    @property
    def floating(self) -> str:
        """The floating address, which moves between the edges."""
        return f"10.77.{self.number}.10"

    @property
    def folder(self) -> Path:
        """The folder with the lab's state; `lab.down` removes it."""
        return STATE / str(self.number)

    @property
    def site(self) -> Path:
        """The site file: written last by `lab.up`, removed first by `lab.down`."""
        return self.folder / "site.toml"

    def host_folder(self, name: str) -> Path:
        return self.folder / "hosts" / name

    def address(self, name: str) -> str:
        return f"10.77.{self.number}.{ALL[name].number}"

    def machine(self, name: str) -> str:
        return f"{self.bridge}-{name}"

    def veth(self, name: str) -> str:
        """The bridge's end of the host's cable, as nspawn names it.

        A name of more than 15 characters becomes an alternative name of the interface.
        """
        return f"vb-{self.machine(name)}"

    def made(self) -> list[str]:
        """Return the hosts that have been made, running or not, in the order of ALL."""
        return [name for name in ALL if (self.host_folder(name) / "prepared").exists()]


def current_lab() -> Lab:
    """Return the lab that the environment variable LAB chooses.

    Raises:
        LabError: LAB is not a whole number from 0 to 99.
    """
    text = os.environ.get("LAB", "0")
    if not (text.isascii() and text.isdecimal() and int(text) <= 99):
        raise LabError(
            f"LAB is {text!r}",
            "it is the number of the lab and of its subnet 10.77.LAB.0/24: 0 to 99",
            "for example: LAB=1 inv lab.up",
        )
    return Lab(int(text))


def choose_hosts(names: list[str] | None, among: list[str] | None = None) -> list[str]:
    """Return `names` in the order of ALL; without names, all of `among` (by default HOSTS).

    Raises:
        LabError: a name is not part of `among`.
    """
    known = list(ALL) if among is None else among
    for name in names or []:
        if name not in known:
            raise LabError(
                f"there is no host {name!r} in this lab",
                f"its hosts: {', '.join(known) or 'none, the lab is down'}",
                "inv lab.status",
            )
    chosen = names or (HOSTS if among is None else among)
    return [name for name in ALL if name in chosen]
