"""The load balancers of all edges as one: read the state of the app nodes and their drains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..engine.errors import RunbookError
from ..engine.fleet import raise_first
from ..engine.host import Node
from ..settings.reach import open_fleet
from ..settings.settings import Settings
from . import haproxy_stats
from .haproxy import drain_record_probe, operator_drain_probe
from .haproxy_stats import Server
from .site_front import find_front


class EdgeView(NamedTuple):
    """The app nodes as one edge sees them, and whether that edge serves users."""

    servers: dict[str, Server]
    serves: bool


class BalancerView:
    """The load balancers of all edges of a site, read-only. The object connects at the first call.
    An edge without HAProxy reports no nodes."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.front = find_front(settings)
        self.fleet = open_fleet(settings, settings.inventory.having("edge"))

    def close(self) -> None:
        """Close the connections to the edges."""
        self.fleet.__exit__()

    def view(self) -> dict[str, dict[str, Server]]:
        """The app nodes by edge. An edge without a running HAProxy is left out.

        An edge that does not answer is left out when another edge serves, and knows that no user
        reaches the silent one.

        Raises:
            Unreachable: an edge does not answer and may still serve users.
        """
        results = self.fleet.each(self._read_edge)
        views = {edge: view for edge, view in results.items() if not isinstance(view, RunbookError)}
        silent = [edge for edge in self.fleet if edge.name not in views]
        serving = [name for name, view in views.items() if view.serves]
        if silent and not (serving and self._serve_nobody(silent, serving[0])):
            raise_first(results)
        return {edge: view.servers for edge, view in views.items() if view.servers}

    def _read_edge(self, edge: Node) -> EdgeView:
        probes = [
            haproxy_stats.stat_script() + " 2>/dev/null; true",
            self.front.serving_probe(),
        ]
        stat, serving = self.fleet.link(edge).read(probes)
        return EdgeView(haproxy_stats.parse_stat(stat.out), serving.code == 0)

    def _serve_nobody(self, silent: Sequence[Node], witness: str) -> bool:
        """Whether users reach none of the edges `silent`, as the edge `witness` knows."""
        probes = [self.front.unseen_probe(edge.address) for edge in silent]
        return all(reading.code == 0 for reading in self.fleet.links[witness].read(probes))

    def _edges_of(self, node: str) -> list[str]:
        """The edges whose HAProxy knows `node`. A new node is known after its first edge phase."""
        return [edge for edge, servers in self.view().items() if node in servers]

    def _edges_with_up(self, node: str) -> list[str]:
        """The edges that see `node` up."""
        return [
            edge for edge, servers in self.view().items() if node in servers and servers[node].up
        ]

    def _leased_nodes(self) -> list[str]:
        """The nodes whose healers hold the restart lease at an edge."""
        nodes = self.settings.inventory.having("app")
        probe = haproxy_stats.healing_probe(nodes)
        texts = [self.fleet.links[edge].read([probe])[0].out for edge in self.view()]
        holders = {haproxy_stats.parse_healing(nodes, text).away for text in texts}
        return [node.name for node in nodes if node.address in holders]

    def is_drained_by_operator(self, node: str) -> bool:
        """Whether an operator drained `node` on every edge with a running HAProxy."""
        probe = operator_drain_probe(node)
        edges = self.view()
        return bool(edges) and all(
            self.fleet.links[edge].read([probe])[0].code == 0 for edge in edges
        )

    def gate_drain_reason(self, node: str) -> str:
        """The record of a drain by the health gate; empty when the gate does not keep `node`
        out."""
        for edge in self.view():
            record = self.fleet.links[edge].read([drain_record_probe(node)])[0].out.strip()
            if record.startswith("gate "):
                return record
        return ""

    def _is_idle(self, node: str) -> bool:
        return all(
            node not in servers or servers[node].in_flight == 0 for servers in self.view().values()
        )
