"""Which names a certificate must contain."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..engine.addresses import is_ip
from ..settings.settings import Settings


@dataclass(frozen=True)
class Names:
    """DNS names and IP addresses, without duplicates, in a fixed order."""

    dns: tuple[str, ...]
    addresses: tuple[str, ...]

    def __str__(self) -> str:
        return ", ".join((*self.dns, *self.addresses))

    @property
    def first(self) -> str:
        """The name to use where only a single name fits; empty if there is none."""
        return (*self.dns, *self.addresses, "")[0]

    def missing(self, others: Names) -> tuple[str, ...]:
        """Return the names that `others` does not cover; a wildcard covers a single label."""
        dns = [
            name for name in self.dns if not {name, f"*.{name.partition('.')[2]}"} & set(others.dns)
        ]
        return (*dns, *(name for name in self.addresses if name not in others.addresses))


def sort_names(texts: Iterable[str]) -> Names:
    """Sort `texts` into DNS names and addresses; drop empty texts."""
    given = [text for text in dict.fromkeys(texts) if text]
    dns = tuple(text for text in given if not is_ip(text))
    return Names(dns, tuple(text for text in given if is_ip(text)))


def called_names(settings: Settings) -> Names:
    """Return the names users call: the DNS names of the site and the host of the service.

    A provided certificate must cover them.
    """
    return sort_names([*settings.tls.names, urlsplit(settings.service).hostname or ""])


def certified_names(settings: Settings) -> Names:
    """Return the names to order from a public authority: those that users call. It certifies no
    address of a private network, so addresses are left out."""
    return sort_names(called_names(settings).dns)


def wanted_names(settings: Settings) -> Names:
    """Return the names to issue for: those that users call, the floating address, and the address
    of every edge (because checks call it)."""
    users = called_names(settings)
    edges = (node.address for node in settings.inventory.having("edge"))
    return sort_names([*users.dns, settings.edge.address, *edges, *users.addresses])
