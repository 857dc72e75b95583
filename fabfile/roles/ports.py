"""Which ports each role listens on, and which ports of other hosts it must reach: one list for
all who ask about the network."""

from __future__ import annotations

from dataclasses import dataclass

from ..control.haproxy import HAPROXY_PORT, HAPROXY_UNIT
from ..control.nginx import NGINX_UNIT
from ..engine.host import Node
from ..settings.paths import app_unit
from ..settings.settings import Settings
from . import exporters, haproxy, monitoring_units, nginx, postgres

EVERY = "0.0.0.0"
"""All IPv4 addresses of a host."""
ANY = "*"
"""All addresses, IPv6 included: how the opaque binary listens is not known."""
LOCAL = "127.0.0.1"


@dataclass(frozen=True)
class Port:
    """A port that `unit` listens on at `address` of its host."""

    unit: str
    number: int
    address: str
    protocol: str = "tcp"


def ports(settings: Settings, node: Node, role: str, app_port: int | None) -> list[Port]:
    """What `role` listens on at `node`. `app_port` is None before discovery."""
    if role == "postgres":
        return [
            Port(postgres.postgres_unit(settings), postgres.PORT, address)
            for address in (LOCAL, node.address)
        ]
    if role == "monitoring":
        return [Port(unit, number, LOCAL) for unit, number in monitoring_units.LISTENERS.items()]
    if role == "app":
        return [Port(app_unit(settings), app_port, ANY)] if app_port else []
    edge = settings.edge
    front = [Port(NGINX_UNIT, number, EVERY) for number in (edge.port, edge.https_port)]
    front += [Port(NGINX_UNIT, edge.https_port, EVERY, "udp")] if edge.http3 else []
    shared = [node.address] if haproxy.other_edges(settings, node) else []
    watched = [node.address] if settings.monitors else []
    return [
        *front,
        Port(NGINX_UNIT, nginx.REFRESH, LOCAL),
        *(Port(HAPROXY_UNIT, HAPROXY_PORT, address) for address in [LOCAL, *shared]),
        *(Port(HAPROXY_UNIT, edge.stats_port, address) for address in [LOCAL, *watched]),
        Port(HAPROXY_UNIT, edge.healer_port, node.address),
    ]


@dataclass(frozen=True)
class Route:
    """A port of another host that a role must reach. `number` 0: the port that HAProxy's
    configuration on the host names."""

    target: str
    address: str
    number: int
    what: str


def routes(settings: Settings, node: Node) -> list[Route]:
    """Whom `node` must reach, by its roles. (VRRP between edges is no port: both edges hold the
    address when it is blocked.)"""
    inventory = settings.inventory
    found: list[Route] = []
    if "app" in node.roles:
        found += [
            Route(db.name, db.address, postgres.PORT, "PostgreSQL")
            for db in inventory.having("postgres")
        ]
        port = settings.edge.healer_port
        found += [
            Route(edge.name, edge.address, port, "HAProxy, for the healers")
            for edge in inventory.having("edge")
        ]
    if "edge" in node.roles:
        found += [
            Route(other.name, other.address, 0, "the app") for other in inventory.having("app")
        ]
        shared = haproxy.other_edges(settings, node)
        found += [
            Route(edge.name, edge.address, HAPROXY_PORT, "HAProxy, for the other edge")
            for edge in shared
        ]
    if "monitoring" in node.roles:
        found += [
            Route(host.name, host.address, one.port, one.what)
            for host in inventory.nodes
            for one in exporters.host_exporters(settings, host)
        ]
        found += [
            Route(edge.name, edge.address, settings.edge.stats_port, "HAProxy's figures")
            for edge in inventory.having("edge")
        ]
    return [route for route in found if route.target != node.name]
