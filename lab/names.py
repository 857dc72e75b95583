"""Names, numbers and addresses: which hosts exist, and what lab number N calls its things.

One setting, the environment variable LAB (0..99, default 0), decides all of it, so two labs never
meet.
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
    """One host of the table: its name, the last part of its address, what it is for."""

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
"""What `lab.up` makes."""

ALL = HOSTS | {"mon1": Host("mon1", 41, ("monitoring",))}
"""Those that are made only when they are named as well: no test of the service needs mon1."""


@dataclass(frozen=True)
class Lab:
    """Everything that is called after the lab's number."""

    number: int

    @property
    def bridge(self) -> str:
        """The bridge's name, and the nftables table's, and the cgroup's."""
        return f"rblab{self.number}"

    @property
    def subnet(self) -> str:
        return f"10.77.{self.number}.0/24"

    @property
    def gateway(self) -> str:
        return f"10.77.{self.number}.1"

    @property
    def floating(self) -> str:
        """The address that moves between the edges; no host's own."""
        return f"10.77.{self.number}.10"

    @property
    def folder(self) -> Path:
        """State of this lab; `lab.down` removes it."""
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
        """Our end of the host's cable, as nspawn names it (longer than 15 characters: an
        alternative name)."""
        return f"vb-{self.machine(name)}"

    def made(self) -> list[str]:
        """Names of the hosts this lab has, running or not, in the table's order."""
        return [name for name in ALL if (self.host_folder(name) / "prepared").exists()]


def current() -> Lab:
    """The lab that LAB names.

    Raises:
        LabError: LAB is not a whole number from 0 to 99.
    """
    text = os.environ.get("LAB", "0")
    if not (text.isascii() and text.isdecimal() and int(text) <= 99):
        raise LabError(
            f"LAB is {text!r}.",
            "It numbers the lab and its subnet 10.77.LAB.0/24, so it must be 0 to 99.",
            "Set it, for example: LAB=1 inv lab.up",
        )
    return Lab(int(text))


def chosen(names: list[str] | None, among: list[str] | None = None) -> list[str]:
    """The given host names in the table's order; none given means all of `among` (default: the
    hosts of every lab).

    Raises:
        LabError: a name is not known, or not part of `among`.
    """
    known = list(ALL) if among is None else among
    for name in names or []:
        if name not in known:
            raise LabError(
                f"There is no host {name!r} in this lab.",
                f"Known here: {', '.join(known) or 'none, the lab is down'}.",
                "See them: inv lab.status",
            )
    return [name for name in ALL if name in (names or (HOSTS if among is None else among))]
