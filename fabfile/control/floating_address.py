"""The floating address: read which edge holds it, and move it to another edge without breaking a
connection."""

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

MOVE_SECONDS = 8.0
"""The address must move within this time. keepalived needs 0.5 s, or 3.5 s on an edge that has just
started."""

SETTLE_SECONDS = 35
"""The old connections must end within this time: the longest answer may take 30 s."""

Progress = Callable[[str], None]


class Edges:
    """All edges of a site. The object connects at the first call. An edge that does not answer
    counts as one that cannot serve."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.address = settings.edge.address
        self.fleet = open_fleet(settings, settings.inventory.having("edge"))

    def close(self) -> None:
        """Close the connections to the edges."""
        self.fleet.__exit__()

    def view(self) -> dict[str, EdgeState]:
        """The state of every edge; empty on a site without a floating address."""
        if not self.address:
            return {}
        probe = edge_probe(self.settings)
        results = self.fleet.each(
            lambda edge: parse_edge(edge.name, self.fleet.link(edge).read([probe])[0].out)
        )
        return {
            name: EdgeState(name, reachable=False) if isinstance(state, RunbookError) else state
            for name, state in results.items()
        }

    def order_holder_last(self, nodes: Sequence[Node]) -> list[Node]:
        """Sort `nodes` for a rollout: the holder of the address comes last, so that the address
        moves once, and to an edge that is already done."""
        view = self.view()
        return sorted(nodes, key=lambda node: node.name in view and view[node.name].holds)

    @contextmanager
    def out_of_service(
        self, node: Node, why: str, progress: Progress = lambda text: None
    ) -> Iterator[None]:
        """Drain `node` for the context if it holds the floating address and another edge can take
        it. The address stays on the other edge afterwards.

        Otherwise `progress` gets the reason, and the edge stays in service. An edge that an
        operator drained stays drained.

        Raises:
            RunbookError: the address did not move; the attempt is undone.
        """
        view = self.view()
        reason = _reason_not_to_move(node.name, view)
        if reason:
            progress(reason)
            yield
            return
        self._hand_over(node.name, why, view, progress)
        try:
            yield
        except BaseException:
            self._run_clean_up([node.name], undrain_edge_script())
            raise
        self.undrain(node.name)

    @purpose("drain an edge")
    def drain(self, name: str, why: str, progress: Progress = lambda text: None) -> None:
        """Drain the edge called `name`: it holds the floating address only if no other edge can.
        Returns when its connections have ended, or after SETTLE_SECONDS.

        Raises:
            RunbookError: the site has no floating address, no other edge can take it, or it did not
            move.
        """
        view = self.view()
        if not view:
            raise RunbookError(
                "this site has no floating address",
                "users connect to each edge directly, so an edge cannot be drained",
                "set address under [edge] in the site file, then: fab deploy",
            )
        if not _other_able_edges(name, view):
            raise RunbookError(
                f"{name} is the only edge that can hold the floating address now",
                "draining it would leave no edge in service",
                "fab status; bring another edge back first",
            )
        if view[name].holds:
            self._hand_over(name, why, view, progress)
        else:
            self.fleet.links[name].run(drain_edge_script(why))

    @purpose("undrain an edge")
    def undrain(self, name: str) -> None:
        """Let the edge called `name` hold the floating address again. The address does not move.

        Raises:
            Unreachable: the edge does not answer.
        """
        self.fleet.links[name].run(undrain_edge_script())

    def _hand_over(
        self, giver: str, why: str, view: dict[str, EdgeState], progress: Progress
    ) -> None:
        """Drain `giver`, and wait until its connections have ended.

        Until then the edge that takes the address forwards the packets of these connections to
        `giver`.
        """
        takers = _other_able_edges(giver, view)
        links = self.fleet.links
        try:
            for taker in takers:
                links[taker].run(take_script(self.fleet.node(giver).address, self.address))
            links[giver].run(give_script(self.address) + drain_edge_script(why))
            if not wait_until(
                lambda: self._has_moved(giver, takers), seconds=MOVE_SECONDS, every=0.05
            ):
                raise self._not_moved(giver, takers)
            progress(f"{self.address} has moved; waiting for its old connections to end")
            settle = settle_script(self.address, SETTLE_SECONDS)
            left = links[giver].run(settle, timeout=SETTLE_SECONDS + 30).out.strip()
            if left != "0":
                progress(f"{left} connections did not end within {SETTLE_SECONDS} s")
        except BaseException:
            self._run_clean_up([giver], undrain_edge_script())
            raise
        finally:
            self._run_clean_up([giver, *takers], end_script(self.address))

    def _not_moved(self, giver: str, takers: list[str]) -> RunbookError:
        return RunbookError(
            f"{self.address} did not move away from {giver} within {MOVE_SECONDS:.0f} s",
            "work on that edge now would reach the users; the attempt was undone",
            f"journalctl -u keepalived on {giver} and {' and '.join(takers)}; restart keepalived"
            " where it hangs; then again",
        )

    def _run_clean_up(self, names: list[str], script: str) -> None:
        """Run `script` on the hosts, and ignore errors: redirections end on their own, and the next
        deploy removes the rest."""
        for name in names:
            with suppress(RunbookError):
                self.fleet.links[name].run(script, check=False)

    def _has_moved(self, giver: str, takers: list[str]) -> bool:
        """Whether one of `takers` holds the address and `giver` does not."""
        probe = holds_probe(self.address)
        edges = [node for node in self.fleet if node.name in (giver, *takers)]
        holds = self.fleet.each(
            lambda node: self.fleet.link(node).read([probe])[0].code == 0, edges
        )
        raise_first(holds)
        return not holds.pop(giver) and any(holds.values())


def _other_able_edges(name: str, view: dict[str, EdgeState]) -> list[str]:
    """The edges besides `name` that can take the address now."""
    return [edge.name for edge in view.values() if edge.can_hold and edge.name != name]


def _reason_not_to_move(name: str, view: dict[str, EdgeState]) -> str:
    """Why the address does not move away from `name`; empty when it can move."""
    if not view:
        return "no floating address to move"
    if not view[name].holds:
        return "the edge does not hold the floating address"
    if not _other_able_edges(name, view):
        return "no other edge can take the floating address now; it stays"
    return ""
