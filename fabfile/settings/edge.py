"""The settings of the edges: ports, limits, and how users reach them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from ..engine.addresses import is_ipv4_network
from ..engine.kinds import Port
from .kinds import NetworkSource, Replaceable


@dataclass(frozen=True, kw_only=True)
class Edge:
    """What users reach: nginx, HAProxy and the address that the edges share."""

    address: str = ""
    """The IPv4 address that users call: the floating address that moves between the edges, or the
    address of the provider's balancer. Leave it out on a site with one edge."""
    address_by: Literal["vrrp", "external"] = "vrrp"
    """How users reach the edges at `address`. `vrrp`: the address moves between the edges, which
    must be in one layer-2 network. `external`: a balancer of the provider sends users to every
    edge that its health checks find well."""
    balancer: tuple[NetworkSource, ...] = ()
    """The IPv4 addresses or networks from which the provider's balancer sends its health checks and
    its PROXY headers. Only for `external`."""
    balancer_interval: Annotated[float, Meta(ge=0.1, le=300)] = 2.0
    """Seconds between two health checks of the provider's balancer, as it is configured there."""
    balancer_fall: Annotated[int, Meta(ge=1, le=20)] = 3
    """Failed health checks in a row after which the balancer sends an edge no more users."""
    balancer_rise: Annotated[int, Meta(ge=1, le=20)] = 3
    """Good health checks in a row after which the balancer sends users to an edge again."""
    health_port: Port = 8406
    """The TCP port on every edge for the health checks of the provider's balancer: http, path
    `/edge-health`, status 200. It answers `balancer` only."""
    proxy_protocol: bool = False
    """Whether the provider's balancer sends the client's address in a PROXY header (v1 or v2). It
    must then send users to `proxy_port` and `proxy_https_port`."""
    proxy_port: Port = 8480
    """The TCP port on every edge for http with a PROXY header. It answers `balancer` only."""
    proxy_https_port: Port = 8443
    """The TCP port on every edge for https with a PROXY header. It answers `balancer` only."""
    port: Port = 80
    """The TCP port for http."""
    https_port: Port = 443
    """The TCP port for https, and the UDP port for HTTP/3."""
    http3: bool = True
    """Whether the edges serve HTTP/3. It needs nginx 1.25 or newer (Debian 13). Say false if the
    provider's balancer does not pass UDP on: then no answer offers HTTP/3."""
    vrrp_id: Annotated[int, Meta(ge=1, le=255)] = 77
    """The VRRP id. It must differ from that of every other keepalived pair in the same
    network."""
    node_maxconn: Annotated[int, Meta(ge=1, le=100_000)]
    """Requests in flight at one app node and endpoint. More wait in the balancer."""
    node_rate: Annotated[int, Meta(ge=0, le=100_000)]
    """Requests per second that one app node gets. More wait a moment, or are refused. Keep it
    below the app's own limit, because health checks and retries come on top. 0: no bound."""
    stats_port: Port = 8404
    """The TCP port of HAProxy's statistics and Prometheus metrics, on the edge's loopback
    only."""
    healer_port: Port = 8405
    """The TCP port, on the edge's own address, where healers read the balancer and drain their
    own node. It answers the app nodes only."""
    replace: tuple[Replaceable, ...] = ()
    """Programs (nginx, haproxy, keepalived) whose existing configuration, written by others,
    the first deploy may replace. Without it such an edge is refused."""

    @property
    def external(self) -> bool:
        """Whether a balancer of the provider stands before the edges."""
        return self.address_by == "external"

    @property
    def balancer_ports(self) -> tuple[int, ...]:
        """The TCP ports that answer the provider's balancer only."""
        checked = (self.health_port,) if self.external else ()
        return checked + ((self.proxy_port, self.proxy_https_port) if self.proxy_protocol else ())

    @property
    def serving_figure(self) -> str:
        """The metric by which an edge reports whether users reach it."""
        return "runbook_edge_serves" if self.external else "runbook_holds_address"

    def find_contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield each setting that does not fit the others, and what is wrong with it."""
        if not self.external:
            for key in ("balancer", "proxy_protocol"):
                if getattr(self, key):
                    yield f"edge.{key}", 'does nothing without address_by = "external"'
            return
        if not self.address:
            yield "edge.address", "is missing: with external, it is the balancer's address"
        if not self.balancer:
            yield (
                "edge.balancer",
                "is missing: the edges answer the health checks of these addresses only",
            )
        for source in self.balancer:
            if not is_ipv4_network(source):
                yield "edge.balancer", f"must hold addresses like 10.0.0.5, not {source!r}"
