"""The hosts of a site: their addresses and roles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..engine.errors import RunbookError
from ..engine.host import Node

ROLES = ("postgres", "app", "edge", "monitoring")
"""Roles in the order a deploy converges them."""


@dataclass(frozen=True)
class Inventory:
    """All hosts of a site, in the order of the site file."""

    nodes: tuple[Node, ...]

    def having(self, *roles: str) -> tuple[Node, ...]:
        """The hosts that have any of `roles`."""
        return tuple(node for node in self.nodes if set(node.roles) & set(roles))

    def select(self, names: Sequence[str], roles: Iterable[str] = ROLES) -> tuple[Node, ...]:
        """The hosts a task works on: those called `names`, or, without names, all that have one of
        `roles`.

        Raises:
            RunbookError: a name is not in the inventory.
        """
        if not names:
            return self.having(*roles)
        known = {node.name: node for node in self.nodes}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise RunbookError(
                f"there is no host called {', '.join(unknown)}",
                f"the site file knows {', '.join(known)}",
                "fab -H " + ",".join(list(known)[:2]) + " status",
            )
        return tuple(known[name] for name in dict.fromkeys(names))

    def first_having(self, role: str) -> Node:
        """The first host with `role`.

        Raises:
            RunbookError: there is none.
        """
        found = self.having(role)
        if not found:
            raise RunbookError(
                f"no host has the role {role}",
                "this task works on that role",
                "add it to [hosts.*] in the site file",
            )
        return found[0]
