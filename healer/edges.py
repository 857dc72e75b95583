"""The edges' balancers: their view of the nodes, this node's drain, and the maintenance lease."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from . import protocol
from .config import Config
from .model import EdgeReport, ServerState

DRAIN_HEADER = "x-drained-by"
"""HAProxy adds this response header when a healer, not a person, has drained this node."""

EDGE_TIMEOUT = 0.5
"""Seconds an edge has to answer. Short, because a dead edge must not delay a restart here."""

CONFLICT = 409
"""The edge's status for a lease request while another node holds the lease."""

COLUMNS = frozenset({"pxname", "svname", "status", "lastchg", "check_status", "scur"})
"""The columns of HAProxy's statistics that `parse_stats` needs."""


class EdgeClient:
    """All edges of the site. An edge that does not answer is ignored."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._unreachable: set[str] = set()
        """Edges that did not answer the latest `read_views`: no later request waits for them."""

    def read_views(self) -> list[EdgeReport]:
        """Read the balancer's view of the nodes from each edge that answers."""
        views = [view for edge in self.config.edges if (view := self._read_view(*edge))]
        self._unreachable = {name for name, _ in self.config.edges} - {view.edge for view in views}
        return views

    def _read_view(self, name: str, address: str) -> EdgeReport | None:
        try:
            response = protocol.request(
                address, self.config.edge_port, "/;csv", timeout=EDGE_TIMEOUT
            )
        except OSError:
            return None
        if response.status != 200:
            return None
        nodes, kept_out = parse_stats(response.body, self.config.node)
        if not nodes:
            return None
        drained_by_healer = DRAIN_HEADER in response.headers
        return EdgeReport(name, nodes, drained_by_healer=drained_by_healer, kept_out=kept_out)

    def drain_node(self, only_edge: str = "") -> None:
        """Drain this node at every edge, or only at `only_edge`."""
        for name, address in self.config.edges:
            if name not in self._unreachable and only_edge in ("", name):
                self._post(address, "/", self._drain_form("drain"))

    def undrain_node(self, views: Sequence[EdgeReport] | None = None) -> list[str]:
        """Undrain this node at every edge where a healer had drained it; return those edges.

        `views` saves reading the edges again. A node that a person or a deploy keeps out stays
        out.
        """
        if views is None:
            views = self.read_views()
        undrained = [view.edge for view in views if view.drained_by_healer and not view.kept_out]
        for name, address in self.config.edges:
            if name in undrained:
                self._post(address, "/", self._drain_form("ready"))
        return undrained

    def _drain_form(self, action: str) -> str:
        return f"s={self.config.node}&action={action}&b=health"

    def take_lease(self) -> bool:
        """Take the maintenance lease at every edge that answers; False if another node has it.

        Every node asks the edges in the same order, and asks twice: when two nodes ask at the same
        moment, the second round shows both of them who has the lease.
        """
        for _ in range(2):
            statuses = [
                self._post(address, "/lease")
                for name, address in self.config.edges
                if name not in self._unreachable
            ]
            if CONFLICT in statuses:
                self.release_lease()
                return False
        return True

    def renew_lease(self) -> None:
        """Extend the lease, so that a long restart does not lose it."""
        for name, address in self.config.edges:
            if name not in self._unreachable:
                self._post(address, "/lease")

    def release_lease(self) -> None:
        """Give the lease back. An edge ignores this when another node has the lease."""
        for _, address in self.config.edges:
            self._post(address, "/release")

    def clean_up(self) -> list[str]:
        """Remove the drain and the lease that an earlier healer left; return the drained edges."""
        undrained = self.undrain_node()
        self.release_lease()
        return undrained

    def _post(self, address: str, path: str, body: str = "") -> int:
        """POST to one edge; return the status, or 0 when the edge does not answer."""
        try:
            return protocol.request(address, self.config.edge_port, path, post=body).status
        except OSError:
            return 0


def parse_stats(csv: str, node: str) -> tuple[Mapping[str, ServerState], bool]:
    """Parse HAProxy's statistics: each node's state, and whether somebody keeps `node` out.

    Requests in flight are counted for `node` only. Text that is no such CSV gives no nodes.
    """
    head, _, rest = csv.lstrip("# ").partition("\n")
    column = {title: number for number, title in enumerate(head.split(","))}
    if not column.keys() >= COLUMNS:
        return {}, False
    states: dict[str, ServerState] = {}
    in_flight = 0
    kept_out = False
    for line in rest.splitlines():
        row = line.split(",")
        if len(row) <= column["check_status"]:
            continue
        backend = row[column["pxname"]]
        server = row[column["svname"]]
        status = row[column["status"]]
        if backend == "health" and server != "BACKEND":
            # HAProxy puts "* " before the result of a check that is running just now.
            check = row[column["check_status"]].lstrip("* ")
            states[server] = ServerState(status, float(row[column["lastchg"]] or 0), check, 0)
        elif backend == "kept_out":
            kept_out = kept_out or (server == node and status.startswith("MAINT"))
        elif server in (node, f"panic-{node}"):
            in_flight += int(row[column["scur"]] or 0)
    if node in states:
        states[node] = states[node]._replace(in_flight=in_flight)
    return states, kept_out
