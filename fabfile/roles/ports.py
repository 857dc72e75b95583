"""The ports that each role listens on, and the ports of other hosts that it must reach.

The preflight finds occupied ports with this list, and `fab status` finds blocked routes.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..control.haproxy import ABLE_PORT, HAPROXY_PORT, HAPROXY_UNIT
from ..control.nginx import NGINX_UNIT
from ..engine.host import Node
from ..settings.paths import app_unit
from ..settings.settings import Settings
from . import exporters, haproxy, monitoring_units, nginx, postgres

EVERY = "0.0.0.0"
"""All IPv4 addresses of a host."""
ANY = "*"
"""All addresses, IPv6 included. It is not known where the opaque binary listens."""
LOCAL = "127.0.0.1"

FROM_CONFIG = 0
"""In a `Route`: the port that HAProxy's configuration on the host names."""


@dataclass(frozen=True)
class Port:
    """A port that `unit` listens on at `address` of its host."""

    unit: str
    number: int
    address: str
    protocol: str = "tcp"


def list_ports(settings: Settings, node: Node, role: str, app_port: int | None) -> list[Port]:
    """The ports that `role` listens on at `node`. `app_port` is None before discovery."""
    if role == "postgres":
        return [
            Port(postgres.postgres_unit(settings), postgres.PORT, address)
            for address in (LOCAL, node.address)
        ]
    if role == "monitoring":
        return [Port(unit, number, LOCAL) for unit, number in monitoring_units.LISTENERS.items()]
    if role == "app":
        return [Port(app_unit(settings), app_port, ANY)] if app_port else []
    return _edge_ports(settings, node)


def _edge_ports(settings: Settings, node: Node) -> list[Port]:
    """The ports of nginx and HAProxy on the edge `node`."""
    edge = settings.edge
    front = [Port(NGINX_UNIT, number, EVERY) for number in (edge.port, edge.https_port)]
    if edge.http3:
        front.append(Port(NGINX_UNIT, edge.https_port, EVERY, "udp"))
    front += [Port(NGINX_UNIT, port, EVERY) for port in edge.balancer_ports]
    # With a second edge, its nginx must reach this HAProxy; a monitoring host reads its metrics.
    shared = [node.address] if haproxy.other_edges(settings, node) else []
    watched = [node.address] if settings.monitors else []
    return [
        *front,
        Port(NGINX_UNIT, nginx.REFRESH, LOCAL),
        *(Port(HAPROXY_UNIT, HAPROXY_PORT, address) for address in [LOCAL, *shared]),
        *(Port(HAPROXY_UNIT, edge.stats_port, address) for address in [LOCAL, *watched]),
        Port(HAPROXY_UNIT, edge.healer_port, node.address),
        *(Port(HAPROXY_UNIT, ABLE_PORT, at) for at in [LOCAL, *shared] if edge.external),
    ]


@dataclass(frozen=True)
class Route:
    """A port of another host that a role must reach.

    Attributes:
        target: the name of the other host.
        address: its address.
        number: the port, or FROM_CONFIG.
        what: what answers there, for the message to people.
    """

    target: str
    address: str
    number: int
    what: str


def list_routes(settings: Settings, node: Node) -> list[Route]:
    """The ports of other hosts that `node` must reach, by its roles.

    VRRP between the edges is not listed, because it uses no port. If it is blocked, both edges hold
    the address, and `fab status` shows that.
    """
    found: list[Route] = []
    if "app" in node.roles:
        found += _app_routes(settings)
    if "edge" in node.roles:
        found += _edge_routes(settings, node)
    if "monitoring" in node.roles:
        found += _monitoring_routes(settings)
    return [route for route in found if route.target != node.name]


def _app_routes(settings: Settings) -> list[Route]:
    inventory, healer_port = settings.inventory, settings.edge.healer_port
    return [
        *(
            Route(db.name, db.address, postgres.PORT, "PostgreSQL")
            for db in inventory.having("postgres")
        ),
        *(
            Route(edge.name, edge.address, healer_port, "HAProxy, for the healers")
            for edge in inventory.having("edge")
        ),
    ]


def _edge_routes(settings: Settings, node: Node) -> list[Route]:
    return [
        *(
            Route(app_node.name, app_node.address, FROM_CONFIG, "the app")
            for app_node in settings.inventory.having("app")
        ),
        *(
            Route(edge.name, edge.address, port, "HAProxy, for the other edge")
            for edge in haproxy.other_edges(settings, node)
            for port in [HAPROXY_PORT, *([ABLE_PORT] if settings.edge.external else [])]
        ),
    ]


def _monitoring_routes(settings: Settings) -> list[Route]:
    inventory, stats_port = settings.inventory, settings.edge.stats_port
    return [
        *(
            Route(host.name, host.address, exporter.port, exporter.what)
            for host in inventory.nodes
            for exporter in exporters.host_exporters(settings, host)
        ),
        *(
            Route(edge.name, edge.address, stats_port, "HAProxy's figures")
            for edge in inventory.having("edge")
        ),
    ]
