"""The load balancers of all edges as one: drain and undrain an app node, and set its address."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..engine.errors import RunbookError, Unreachable
from ..engine.fleet import failed_hosts
from ..engine.host import Node
from ..engine.scripts import purpose
from ..engine.waiting import wait_until
from .balancer_view import BalancerView
from .haproxy import (
    deploy_drains_probe,
    drain_script,
    parse_deploy_drains,
    server_address_script,
    undrain_script,
)
from .haproxy_stats import Server

IDLE_SECONDS = 30.0
"""A drained node must finish its requests within this time, or within that of the slowest endpoint.
It is restarted only when it has none in flight: a program may break them off on SIGTERM."""

LEFTOVER_UP_SECONDS = 5.0
"""A deploy waits this long for a node that it found drained and undrained. A node that is not up by
then may be ill; the deploy goes on, because it may repair the node."""

UP_SECONDS = 20.0
"""Every balancer must see an undrained node up within this time. The checks need 2 x 0.2 s."""

HEALER_SECONDS = 90.0
"""A healer must finish a restart within this time: drain, start (30 s without the fast start),
undrain."""


class Balancer(BalancerView):
    """The load balancers of all edges of a site: what `BalancerView` reads, and changes to it."""

    @purpose("drain an app node")
    def drain(self, node: str, why: str) -> None:
        """Stop new requests for `node` on all edges, and wait until it has none in flight.

        Raises:
            RunbookError: no other node serves, or requests are still in flight after IDLE_SECONDS.
        """
        self.keep_out(node, why)
        slowest = (endpoint.timeout for endpoint in self.settings.program.endpoints)
        seconds = max(IDLE_SECONDS, *slowest)
        if not wait_until(lambda: self._is_idle(node), seconds=seconds, every=0.1):
            raise RunbookError(
                f"{node} still has requests in flight {seconds:.0f} s after it was drained",
                "a restart now would break these requests",
                f"fab status; then again, or undrain the node: fab -H {node} undrain",
            )

    def _drain_at_edges(self, node: str, why: str) -> None:
        for edge in self._edges_of(node):
            self.fleet.links[edge].run(drain_script(node, why))

    @purpose("set the address of an app node at the edges")
    def set_address(self, node: Node, port: int) -> None:
        """Make every edge send the requests for `node` to its address and `port`, now and after a
        restart of HAProxy.

        The node must be drained: requests to its old address may still be in flight.

        Raises:
            RunbookError: an edge failed to change. The node's release is not the reason.
        """
        # Raises for an unreachable edge, unless another edge serves the users.
        self.view()
        results = self.fleet.each(
            lambda edge: self.fleet.link(edge).run(server_address_script(node, port))
        )
        for error in failed_hosts(results).values():
            if not isinstance(error, Unreachable):
                raise error

    def _wait_for_healers(self) -> bool:
        """Wait until no healer restarts its app; return whether there was one.

        Raises:
            RunbookError: a healer has not finished after HEALER_SECONDS.
        """
        nodes = self._leased_nodes()
        if nodes and not wait_until(
            lambda: not self._leased_nodes(), seconds=HEALER_SECONDS, every=0.2
        ):
            raise RunbookError(
                f"the healer of {' and '.join(nodes)} has been restarting its app for"
                f" {HEALER_SECONDS:.0f} s",
                "draining another node meanwhile could leave no node in service",
                f"fab status; fab -H {nodes[0]} app.restart",
            )
        return bool(nodes)

    @purpose("undrain an app node")
    def undrain(self, node: str) -> None:
        """Let `node` take requests again, and wait until every edge sees it up.

        Raises:
            RunbookError: the checks of an edge do not succeed within UP_SECONDS.
        """
        edges = self._edges_of(node)
        for edge in edges:
            self.fleet.links[edge].run(undrain_script(node))
        if not wait_until(lambda: set(edges) <= set(self._edges_with_up(node)), seconds=UP_SECONDS):
            raise RunbookError(
                f"{node} was undrained, but a balancer does not see it up after {UP_SECONDS:.0f} s",
                "it gets no requests until its checks succeed",
                f"fab status; fab -H {node} app.restart",
            )

    @purpose("drain an app node")
    def keep_out(self, node: str, why: str) -> None:
        """Stop new requests for `node` on all edges, and record `why`. Does not wait for requests
        in flight.

        Raises:
            RunbookError: no other node serves, or a healer does not finish.
        """
        self._wait_for_healers()
        self._refuse_last_server(node, self.view())
        self._drain_at_edges(node, why)
        # A healer may have started at the same moment and undrain this node when it finishes.
        if self._wait_for_healers():
            self._drain_at_edges(node, why)

    @purpose("undrain an app node")
    def let_in(self, node: str) -> None:
        """Let `node` take requests again as soon as its checks succeed. Does not wait."""
        for edge in self._edges_of(node):
            self.fleet.links[edge].run(undrain_script(node), check=False)

    def undrain_leftovers(self, nodes: Sequence[Node]) -> list[str]:
        """Undrain those of `nodes` that a killed deploy drained, and return their names. The caller
        holds their locks.

        Waits LEFTOVER_UP_SECONDS for them: no other node can be drained while they are down.
        """
        undrained = set[str]()
        for edge in self.view():
            link = self.fleet.links[edge]
            drained = parse_deploy_drains(link.read([deploy_drains_probe()])[0])
            for name in {node.name for node in nodes} & set(drained):
                link.run(undrain_script(name))
                undrained.add(name)
        if undrained:
            wait_until(
                lambda: all(
                    servers[name].up for servers in self.view().values() for name in undrained
                ),
                seconds=LEFTOVER_UP_SECONDS,
                every=0.1,
            )
        return sorted(undrained)

    @contextmanager
    def out_of_service(self, node: Node, why: str) -> Iterator[None]:
        """Drain `node` for the context, and undrain it afterwards, also after an error.

        After an error the node may be ill. The health checks then keep it out, so the drain is not
        needed, and a forgotten drain would keep a healthy node out. A node that an operator drained
        stays drained.
        """
        if self.is_drained_by_operator(node.name):
            yield
            return
        try:
            self.drain(node.name, why)
            yield
        except BaseException:
            self.let_in(node.name)
            raise
        self.undrain(node.name)

    def _refuse_last_server(self, node: str, view: dict[str, dict[str, Server]]) -> None:
        """Refuse to drain the last node that serves."""
        for edge, servers in view.items():
            server = servers.get(node)
            others = [name for name, other in servers.items() if name != node and other.up]
            if server and server.up and not others:
                raise RunbookError(
                    f"{node} is the only app node that {edge} sees up",
                    "draining it would leave no node in service",
                    "fab status; bring the other node back first (fab -H OTHER app.restart)",
                )
