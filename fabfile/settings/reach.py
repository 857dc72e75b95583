"""How the hosts of a site are reached."""

from __future__ import annotations

from collections.abc import Iterable

from ..engine.fleet import Fleet
from ..engine.host import Node
from ..engine.link import Address, Link
from .settings import Settings


def host_address(settings: Settings, node: Node) -> Address:
    """How `node` is reached."""
    ssh = settings.ssh
    return Address(
        node.name, node.address, ssh.port, ssh.user, ssh.key, ssh.known_hosts, ssh.timeout
    )


def open_fleet(settings: Settings, nodes: Iterable[Node], *, readonly: bool = False) -> Fleet:
    """Links to `nodes`, opened when first used; use as a context manager. `readonly` refuses to
    change a host."""
    return Fleet(nodes, lambda node: Link(host_address(settings, node), readonly=readonly))
