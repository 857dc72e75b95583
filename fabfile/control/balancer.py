"""The app nodes as the balancers see them, and taking one out of service without anybody
noticing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from ..engine.errors import RunbookError, Unreachable
from ..engine.fleet import failed_hosts, raise_first
from ..engine.host import Node
from ..engine.scripts import purpose
from ..engine.waiting import wait_until
from ..settings.reach import open_fleet
from ..settings.settings import Settings
from . import haproxy_stats
from .haproxy import (
    drain_script,
    drained_by_deploy,
    drained_by_operator,
    drained_names,
    place,
    recorded_drain,
    undrain_script,
)
from .haproxy_stats import Server
from .keepalived import holds_probe

IDLE = 30.0
"""Seconds a drained node gets to finish what it has in hand (the longest answer, the session
list, may take that)."""

LIFTED = 5.0
"""Seconds that a node found drained gets to be seen up; if it is sick, the deploy is there to
mend it."""

BACK = 20.0
"""Seconds after which a node put back must be up in every balancer's eyes (its checks need 2 x
0.2 s)."""


HEALED = 90.0
"""Seconds a healer gets to end what it has begun: drain, start (30 without the fast start), back
in service."""


class EdgeView(NamedTuple):
    """What one edge says: its nodes, and whether the floating address is here."""

    servers: dict[str, Server]
    holds: bool


class Balancer:
    """All edges of a site as one. Connects when first asked; an edge that has no HAProxy yet
    simply sees nobody."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.fleet = open_fleet(settings, settings.inventory.having("edge"))

    def close(self) -> None:
        """Close the connections."""
        self.fleet.__exit__()

    def view(self) -> dict[str, dict[str, Server]]:
        """Each edge's nodes; an edge without a running HAProxy is left out.

        An edge that does not answer is left out when another one holds the floating address: it has
        no users then.

        Raises:
            Unreachable: an edge does not answer, so nobody can say what its users would see.
        """
        seen = self.fleet.each(self._read_edge)
        answered = {edge: look for edge, look in seen.items() if not isinstance(look, RunbookError)}
        if not any(look.holds for look in answered.values()):
            raise_first(seen)
        return {edge: look.servers for edge, look in answered.items() if look.servers}

    def _read_edge(self, edge: Node) -> EdgeView:
        floating = self.settings.edge.address
        probes = [
            haproxy_stats.stat_script() + " 2>/dev/null; true",
            holds_probe(floating) if floating else "false",
        ]
        stat, holds = self.fleet.link(edge).read(probes)
        return EdgeView(haproxy_stats.parse_stat(stat.out), holds.code == 0)

    @purpose("drain an app node")
    def drain(self, node: str, why: str) -> None:
        """No new requests for `node` from any edge; returns when it has none in flight.

        Raises:
            RunbookError: nobody else could serve, or requests are still in flight after IDLE
            seconds.
        """
        self.hold(node, why)
        if not wait_until(lambda: self._is_idle(node), seconds=IDLE, every=0.1):
            raise RunbookError(
                f"{node} still has requests in flight {IDLE:.0f} s after it was drained",
                "restarting it now would fail them",
                f"fab status; then again, or put it back: fab -H {node} undrain",
            )

    def _take_out(self, node: str, why: str) -> None:
        for edge in self._edges_of(node):
            self.fleet.links[edge].run(drain_script(node, why))

    def _edges_of(self, node: str, *, up: bool = False) -> list[str]:
        """The edges whose balancer knows `node` (and sees it up): a new node is known only after
        its first edge phase."""
        return [
            edge for edge, seen in self.view().items() if node in seen and (seen[node].up or not up)
        ]

    @purpose("tell the edges where an app node is")
    def place(self, node: Node, port: int) -> None:
        """Every edge that answers finds `node` at its address and `port`; its configuration on disk
        says so, too.

        To be done while the node is out of service: what it was asked at its old place may still be
        under way there.

        Raises:
            RunbookError: an edge could not be told. That says nothing about the node's release.
        """
        self.view()  # an edge that does not answer is left out only where another one serves
        told = self.fleet.each(lambda edge: self.fleet.link(edge).run(place(node, port)))
        for error in failed_hosts(told).values():
            if not isinstance(error, Unreachable):
                raise error

    def _healers_done(self) -> bool:
        """Wait for healers that restart their node on purpose just now; whether there were any.

        Raises:
            RunbookError: one has not ended after HEALED seconds.
        """
        away = self._leased_nodes()
        if away and not wait_until(lambda: not self._leased_nodes(), seconds=HEALED, every=0.2):
            raise RunbookError(
                f"the healer of {' and '.join(away)} has been restarting its app for"
                f" {HEALED:.0f} s",
                "taking another node out meanwhile could leave the users with nobody",
                f"fab status; fab -H {away[0]} app.restart",
            )
        return bool(away)

    def _leased_nodes(self) -> list[str]:
        """The nodes that hold the healers' lease at any edge."""
        nodes = self.settings.inventory.having("app")
        look = haproxy_stats.healing_probe(nodes)
        said = [self.fleet.links[edge].read([look])[0].out for edge in self.view()]
        holders = {haproxy_stats.parse_healing(nodes, text).away for text in said}
        return [node.name for node in nodes if node.address in holders]

    @purpose("undrain an app node")
    def undrain(self, node: str) -> None:
        """`node` takes requests again; returns when every edge sees it up.

        Raises:
            RunbookError: an edge's checks do not succeed within BACK seconds.
        """
        edges = self._edges_of(node)
        for edge in edges:
            self.fleet.links[edge].run(undrain_script(node))
        if not wait_until(lambda: set(edges) <= set(self._edges_of(node, up=True)), seconds=BACK):
            raise RunbookError(
                f"{node} was put back, but a balancer does not see it up after {BACK:.0f} s",
                "it gets no requests until its checks succeed",
                f"fab status; fab -H {node} app.restart",
            )

    @purpose("drain an app node")
    def hold(self, node: str, why: str) -> None:
        """`node` gets no requests from any edge, and `why` is on record; unless nobody else
        could serve. Does not wait."""
        self._healers_done()
        self._refuse_last_server(node, self.view())
        self._take_out(node, why)
        if (
            self._healers_done()
        ):  # it began at the same moment, and what it puts back in the end may be this node
            self._take_out(node, why)

    @purpose("undrain an app node")
    def release(self, node: str) -> None:
        """`node` may have requests again, as far as its checks allow. Does not wait."""
        for edge in self._edges_of(node):
            self.fleet.links[edge].run(undrain_script(node), check=False)

    def by_operator(self, node: str) -> bool:
        """Whether a person drained it, at every edge that runs."""
        look = drained_by_operator(node)
        edges = self.view()
        return bool(edges) and all(
            self.fleet.links[edge].read([look])[0].code == 0 for edge in edges
        )

    def by_gate(self, node: str) -> str:
        """Why the gate keeps `node` out, in the words of an edge; empty when it does not."""
        for edge in self.view():
            said = self.fleet.links[edge].read([recorded_drain(node)])[0].out.strip()
            if said.startswith("gate "):
                return said
        return ""

    def lift_leftovers(self, nodes: Sequence[Node]) -> list[str]:
        """Put back those of `nodes` that a deploy drained and left so; which they were. The caller
        holds their locks.

        Waits a little for them to be seen up again: while one is out, no other can be drained.
        """
        left = set[str]()
        for edge in self.view():
            link = self.fleet.links[edge]
            mine = {node.name for node in nodes} & set(
                drained_names(link.read([drained_by_deploy()])[0])
            )
            for node in mine:
                link.run(undrain_script(node))
            left |= mine
        if left:
            wait_until(
                lambda: all(seen[node].up for seen in self.view().values() for node in left),
                seconds=LIFTED,
                every=0.1,
            )
        return sorted(left)

    @contextmanager
    def without(self, node: Node, why: str) -> Iterator[None]:
        """`node` drained for as long as the context lasts; put back afterwards, also when it was
        left by an error.

        (Its checks keep a sick node out anyway; a drain that nobody remembers would keep a well one
        out.) What an operator drained stays drained.
        """
        if self.by_operator(node.name):
            yield
            return
        try:
            self.drain(node.name, why)
            yield
        except BaseException:
            self.release(node.name)
            raise
        self.undrain(node.name)

    def _is_idle(self, node: str) -> bool:
        return all(node not in seen or seen[node].in_flight == 0 for seen in self.view().values())

    def _refuse_last_server(self, node: str, view: dict[str, dict[str, Server]]) -> None:
        """Refuse to take the last one that serves."""
        for edge, servers in view.items():
            mine = servers.get(node)
            others = [name for name, server in servers.items() if name != node and server.up]
            if mine and mine.up and not others:
                raise RunbookError(
                    f"{node} is the only app node that {edge} sees up",
                    "draining it would leave the users with nobody",
                    "fab status; bring the other node back first (fab -H OTHER app.restart)",
                )
