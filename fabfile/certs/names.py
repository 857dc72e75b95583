"""Which names a certificate must bear."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..engine.addresses import is_ip
from ..settings.settings import Settings


@dataclass(frozen=True)
class Names:
    """DNS names and IP addresses, each once, in a settled order."""

    dns: tuple[str, ...]
    addresses: tuple[str, ...]

    def __str__(self) -> str:
        return ", ".join((*self.dns, *self.addresses))

    @property
    def first(self) -> str:
        """What a client asks for when it asks for one."""
        return (*self.dns, *self.addresses, "")[0]

    def missing(self, others: Names) -> tuple[str, ...]:
        """The names that `others` does not cover; a wildcard there covers one label."""
        dns = [
            name for name in self.dns if not {name, f"*.{name.partition('.')[2]}"} & set(others.dns)
        ]
        return (*dns, *(one for one in self.addresses if one not in others.addresses))


def sort_names(texts: Iterable[str]) -> Names:
    """`texts` sorted into the two kinds; empty ones are left out."""
    given = [text for text in dict.fromkeys(texts) if text]
    dns = tuple(text for text in given if not is_ip(text))
    return Names(dns, tuple(text for text in given if is_ip(text)))


def called_names(settings: Settings) -> Names:
    """What users call: the site's DNS names and the service's own host. A user's own certificate
    must cover these."""
    return sort_names([*settings.tls.names, urlsplit(settings.service).hostname or ""])


def wanted_names(settings: Settings) -> Names:
    """What we issue for: all that users call, the floating address, and every edge's own address
    (checks go there)."""
    users = called_names(settings)
    edges = (node.address for node in settings.inventory.having("edge"))
    return sort_names([*users.dns, settings.edge.address, *edges, *users.addresses])
