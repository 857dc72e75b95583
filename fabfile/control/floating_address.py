"""The edges of a site: who holds the floating address, and taking an edge out of service without
breaking a connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from ..engine.errors import RunbookError
from ..engine.fleet import raise_first
from ..engine.host import Node
from ..engine.scripts import purpose
from ..engine.waiting import wait_until
from ..settings.reach import open_fleet
from ..settings.settings import Settings
from .keepalived import (
    EdgeState,
    drain_edge_script,
    edge_probe,
    end_script,
    give_script,
    holds_probe,
    parse_edge,
    settle_script,
    take_script,
    undrain_edge_script,
)

MOVE = 8.0
"""Seconds within which the address must have moved: keepalived needs 0.5, an edge that has just
come up 3.5."""

SETTLE = 35
"""Seconds the old connections get to end: the longest answer may take 30."""

Progress = Callable[[str], None]


class Edges:
    """All edges of a site as one. Connects when first asked; an edge that does not answer counts
    as one that cannot serve."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.address = settings.edge.address
        self.fleet = open_fleet(settings, settings.inventory.having("edge"))

    def close(self) -> None:
        """Close the connections."""
        self.fleet.__exit__()

    def view(self) -> dict[str, EdgeState]:
        """Every edge as it sees itself; empty on a site without a floating address."""
        if not self.address:
            return {}
        probe = edge_probe(self.settings)
        seen = self.fleet.each(
            lambda edge: parse_edge(edge.name, self.fleet.link(edge).read([probe])[0].out)
        )
        return {
            name: EdgeState(name, reachable=False) if isinstance(edge, RunbookError) else edge
            for name, edge in seen.items()
        }

    def holder_last(self, nodes: Sequence[Node]) -> list[Node]:
        """`nodes` in the order to work on them: so the address moves once, to an edge that is
        already done."""
        view = self.view()
        return sorted(nodes, key=lambda node: node.name in view and view[node.name].holds)

    @contextmanager
    def without(
        self, node: Node, why: str, progress: Progress = lambda text: None
    ) -> Iterator[None]:
        """The floating address elsewhere for as long as the context lasts, if another edge can have
        it.

        It stays there afterwards. When there is nothing to move, or nowhere to move it to,
        `progress` is told, and the edge is worked on as it is. What an operator drained stays
        drained.

        Raises:
            RunbookError: the address did not move; nothing is left of the attempt.
        """
        view = self.view()
        reason = _nothing_to_move(node.name, view)
        if reason:
            progress(reason)
            yield
            return
        self._hand_over(node.name, why, view, progress)
        try:
            yield
        except BaseException:
            self._run_tidily([node.name], undrain_edge_script())
            raise
        self.undrain(node.name)

    @purpose("drain an edge")
    def drain(self, name: str, why: str, progress: Progress = lambda text: None) -> None:
        """The edge called `name` has the address only if no other can; returns when it has no
        connections left.

        Raises:
            RunbookError: the site has no floating address, no other edge could have it, or it did
            not move.
        """
        view = self.view()
        if not view:
            raise RunbookError(
                "this site has no floating address",
                "its users reach each edge directly, so an edge cannot be taken from them",
                "set address under [edge] in the site file, then: fab deploy",
            )
        if not _other_edges(name, view):
            raise RunbookError(
                f"{name} is the only edge that can hold the floating address now",
                "draining it would leave the users with nobody",
                "fab status; bring another edge back first",
            )
        if view[name].holds:
            self._hand_over(name, why, view, progress)
        else:
            self.fleet.links[name].run(drain_edge_script(why))

    @purpose("undrain an edge")
    def undrain(self, name: str) -> None:
        """The edge called `name` may have the address again; it stays where it is.

        Raises:
            Unreachable: the edge does not answer.
        """
        self.fleet.links[name].run(undrain_edge_script())

    def _hand_over(
        self, giver: str, why: str, view: dict[str, EdgeState], progress: Progress
    ) -> None:
        """Drain `giver`; whoever gets the address sends on what belongs to the giver's
        connections until they have ended."""
        takers = _other_edges(giver, view)
        links = self.fleet.links
        try:
            for taker in takers:
                links[taker].run(take_script(links[giver].address.host, self.address))
            links[giver].run(give_script(self.address) + drain_edge_script(why))
            if not wait_until(lambda: self._has_moved(giver, takers), seconds=MOVE, every=0.05):
                raise RunbookError(
                    f"{giver} was asked to let {self.address} go, but it did not move within"
                    f" {MOVE:.0f} s",
                    "working on that edge now would be felt by the users; nothing is left of the"
                    " attempt",
                    f"journalctl -u keepalived on {giver} and {' and '.join(takers)}; restart it"
                    " where it hangs; then try again",
                )
            progress(f"{self.address} has moved; its old connections end")
            left = (
                links[giver]
                .run(settle_script(self.address, SETTLE), timeout=SETTLE + 30)
                .out.strip()
            )
            if left != "0":
                progress(f"{left} connections did not end within {SETTLE} s")
        except BaseException:
            self._run_tidily([giver], undrain_edge_script())
            raise
        finally:
            self._run_tidily([giver, *takers], end_script(self.address))

    def _run_tidily(self, names: list[str], script: str) -> None:
        """Run `script`; a host that is gone is no reason to fail now: redirections end by
        themselves, a deploy clears the rest."""
        for name in names:
            with suppress(RunbookError):
                self.fleet.links[name].run(script, check=False)

    def _has_moved(self, giver: str, takers: list[str]) -> bool:
        """Whether one of `takers` holds the address, and `giver` has noticed."""
        probe, asked = (
            holds_probe(self.address),
            [node for node in self.fleet if node.name in (giver, *takers)],
        )
        held = self.fleet.each(lambda node: self.fleet.link(node).read([probe])[0].code == 0, asked)
        raise_first(held)
        return not held.pop(giver) and any(held.values())


def _other_edges(name: str, view: dict[str, EdgeState]) -> list[str]:
    """The edges besides `name` that could have the address now."""
    return [other.name for other in view.values() if other.able and other.name != name]


def _nothing_to_move(name: str, view: dict[str, EdgeState]) -> str:
    """Why the address is not moved away from `name`; empty if it can be."""
    if not view:
        return "no floating address to move"
    if not view[name].holds:
        return "it does not hold the floating address"
    if not _other_edges(name, view):
        return "no other edge can have the floating address now: it stays"
    return ""
