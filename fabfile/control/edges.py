"""All edges of a site: read which of them serve, and take one out of service without breaking a
connection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..engine.errors import RunbookError
from ..engine.host import Node
from ..engine.scripts import purpose
from ..settings.reach import open_fleet
from ..settings.settings import Settings
from .edge_drain import drain_edge_script, undrain_edge_script
from .front import Departure, EdgeState, Front, Progress
from .site_front import edge_probe, find_front, parse_edge


class Edges:
    """All edges of a site. The object connects at the first call. An edge that does not answer
    counts as one that cannot serve."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.front = find_front(settings)
        self.fleet = open_fleet(settings, settings.inventory.having("edge"))

    def close(self) -> None:
        """Close the connections to the edges."""
        self.fleet.__exit__()

    def view(self) -> dict[str, EdgeState]:
        """The state of every edge; empty on a site whose edges share no address."""
        if not self.front.address:
            return {}
        probe = edge_probe(self.settings)
        results = self.fleet.each(
            lambda edge: parse_edge(
                self.settings, edge.name, self.fleet.link(edge).read([probe])[0].out
            )
        )
        return {
            name: EdgeState(name, reachable=False, one_serves=self.front.one_serves)
            if isinstance(state, RunbookError)
            else state
            for name, state in results.items()
        }

    def order_serving_last(self, nodes: Sequence[Node]) -> list[Node]:
        """Sort `nodes` for a rollout: the edges that serve come last, so that a floating address
        moves once, and to an edge that is already done."""
        view = self.view()
        return sorted(nodes, key=lambda node: node.name in view and view[node.name].serves)

    @contextmanager
    def out_of_service(
        self, node: Node, why: str, progress: Progress = lambda text: None
    ) -> Iterator[None]:
        """Drain `node` for the context if it serves and another edge can take its users. A floating
        address stays on the other edge afterwards.

        Otherwise `progress` gets the reason, and the edge stays in service. An edge that an
        operator drained stays drained.

        Raises:
            RunbookError: its users did not leave; the attempt is undone.
        """
        view = self.view()
        reason = _reason_to_stay(self.front, node.name, view)
        if reason:
            progress(reason)
            yield
            return
        departure = self._departure(node.name, why, view, progress)
        self.front.leave(departure)
        try:
            yield
        except BaseException:
            departure.run_clean_up([node.name], undrain_edge_script())
            raise
        self.undrain(node.name)

    @purpose("drain an edge")
    def drain(self, name: str, why: str, progress: Progress = lambda text: None) -> None:
        """Drain the edge called `name`: it serves only if no other edge can. Returns when its
        connections have ended, or some time later.

        Raises:
            RunbookError: the edges share no address, no other edge can take the users, or the users
            did not leave.
        """
        view = self.view()
        if view and not _other_able_edges(name, view):
            raise RunbookError(
                f"{name} is the only edge that can {self.front.duty} now",
                "draining it would leave no edge in service",
                "fab status; bring another edge back first",
            )
        if not view or view[name].serves:
            self.front.leave(self._departure(name, why, view, progress))
        else:
            self.fleet.links[name].run(drain_edge_script(why))

    @purpose("undrain an edge")
    def undrain(self, name: str) -> None:
        """Let the edge called `name` serve again. A floating address does not move.

        Raises:
            Unreachable: the edge does not answer.
        """
        self.fleet.links[name].run(undrain_edge_script())

    def _departure(
        self, name: str, why: str, view: dict[str, EdgeState], progress: Progress
    ) -> Departure:
        return Departure(self.fleet, name, _other_able_edges(name, view), why, progress)


def _other_able_edges(name: str, view: dict[str, EdgeState]) -> list[str]:
    """The edges besides `name` that can take its users now."""
    return [edge.name for edge in view.values() if edge.can_serve and edge.name != name]


def _reason_to_stay(front: Front, name: str, view: dict[str, EdgeState]) -> str:
    """Why users cannot leave the edge called `name`; empty when they can."""
    if not view:
        return "no floating address to move"
    if not view[name].serves:
        return f"the edge does not {front.duty}"
    if not _other_able_edges(name, view):
        return f"no other edge can {front.duty} now; it stays in service"
    return ""
