"""How the hosts of a site are reached."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

from ..engine.errors import RunbookError
from ..engine.fleet import Fleet
from ..engine.host import HostSsh, Node
from ..engine.kinds import HOP
from ..engine.link import Address, Link
from .settings import Settings
from .user_config import UserConfig

LONGEST_WAY = 8
"""Bastions on the way to a host. More can only be a circle in ~/.ssh/config."""

USER_CONFIG = Path("~/.ssh/config")


class Ways:
    """The ways to the hosts of a site.

    A key of `[hosts.NAME.ssh]` wins, then `[ssh]`, then ~/.ssh/config (with `ssh.config = true`). A
    bastion takes what its own text does not say from ~/.ssh/config, then from `[ssh]`.
    """

    def __init__(self, settings: Settings) -> None:
        """Find the way to each host.

        Raises:
            RunbookError: ~/.ssh/config has something that we cannot follow, or no user is known.
        """
        self._ssh = settings.ssh
        self._config = UserConfig(USER_CONFIG.expanduser()) if settings.ssh.config else None
        self._ways = {node.name: self._find_way(node) for node in settings.inventory.nodes}

    def address(self, node: Node) -> Address:
        """How `node` is reached."""
        *hops, host = self._ways.get(node.name) or self._find_way(node)
        via = None
        for hop in hops:
            behind = tuple(name for name, way in self._ways.items() if hop in way)
            via = self._make_address(f"bastion {hop.host}", hop, via, behind)
        return self._make_address(node.name, host, via, ())

    def _find_way(self, node: Node) -> list[HostSsh]:
        """The bastions, the nearest first, and then the host."""
        ssh = self._ssh
        site = HostSsh(port=ssh.port, user=ssh.user, key=ssh.key, jump=ssh.jump or None)
        known = self._ask_config(node.ssh.host or node.name)
        host = _merge(node.ssh, site, known, HostSsh(host=node.address, port=22, jump=()))
        return [*self._find_hops(node.name, host.jump or ()), host]

    def _find_hops(self, name: str, jump: tuple[str, ...], depth: int = 0) -> list[HostSsh]:
        if depth > LONGEST_WAY:
            raise RunbookError(
                f"the jumps on the way to {name} lead in a circle",
                "a bastion is reached through itself",
                f"ssh -G {name} | grep -i proxyjump; edit {USER_CONFIG}",
            )
        hops = []
        for number, text in enumerate(jump):
            found = re.fullmatch(HOP, text)
            if not found:
                raise RunbookError(
                    f"{text!r} on the way to {name} is no bastion",
                    "it must be USER@HOST:PORT; the user and the port may be left out",
                    f"edit ProxyJump in {USER_CONFIG}",
                )
            user, literal, alias, port = found.groups()
            given = HostSsh(user=user or "", port=int(port) if port else None)
            known = self._ask_config(literal or alias)
            site = HostSsh(host=literal or alias, port=22, user=self._ssh.user, key=self._ssh.key)
            hop = _merge(given, known, site)
            if number == 0 and hop.jump:
                hops += self._find_hops(name, hop.jump, depth + 1)
            hops.append(hop)
        return hops

    def _ask_config(self, alias: str) -> HostSsh:
        return self._config.find(alias) if self._config else HostSsh()

    def _make_address(
        self, name: str, login: HostSsh, via: Address | None, behind: tuple[str, ...]
    ) -> Address:
        ssh = self._ssh
        if not login.user:
            raise RunbookError(
                f"no user is known for {name}",
                f"neither the site file nor {USER_CONFIG} has one",
                "set ssh.user in the site file",
            )
        port = login.port or 22
        return Address(
            name, login.host, port, login.user, login.key, ssh.known_hosts, ssh.timeout, via, behind
        )


def host_address(settings: Settings, node: Node) -> Address:
    """How `node` is reached. Raises as `Ways`."""
    return Ways(settings).address(node)


def open_fleet(settings: Settings, nodes: Iterable[Node], *, readonly: bool = False) -> Fleet:
    """Links to `nodes`, opened when first used; use as a context manager. `readonly` refuses to
    change a host. Raises as `Ways`."""
    ways = Ways(settings)
    return Fleet(nodes, lambda node: Link(ways.address(node), readonly=readonly))


def _merge(*logins: HostSsh) -> HostSsh:
    """The first value of each field that is given."""
    values = {
        spec.name: [
            value for login in logins if (value := getattr(login, spec.name)) not in ("", None)
        ]
        for spec in fields(HostSsh)
    }
    return HostSsh(**{name: given[0] for name, given in values.items() if given})
