"""What does not fit between a service file and the site that runs it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .refusal import Refusal
from .service import Service

KEPT_CONNECTIONS = 10
"""Connections that PostgreSQL keeps for people and the monitoring."""


class SiteFigures(NamedTuple):
    """What a site gives to its program."""

    app_nodes: int
    database_hosts: tuple[str, ...]
    node_rate: int
    """Requests per second of one node; 0: no bound."""
    max_connections: int
    database_user: str


def refuse_low_rate(service: Service, site: SiteFigures) -> Iterator[Refusal]:
    """A peak that the nodes may not carry together."""
    total = site.node_rate * site.app_nodes
    # A single node is a trial, without a spare: it need not carry the peak.
    if site.app_nodes > 1 and 0 < total < service.load.peak:
        yield Refusal(
            f"edge.node_rate must be at least {service.load.peak / site.app_nodes:g}, not"
            f" {site.node_rate}: {site.app_nodes} app nodes get {total} requests per second, and"
            f" load.peak of {service.name} is {service.load.peak:g}",
            "at the peak, the balancer would refuse users although the nodes work",
        )


def refuse_many_connections(service: Service, site: SiteFigures) -> Iterator[Refusal]:
    """More connections than PostgreSQL has."""
    if not service.database:
        return
    wanted = service.database.connections * site.app_nodes
    if wanted > site.max_connections - KEPT_CONNECTIONS:
        yield Refusal(
            f"database.max_connections must be at least {wanted + KEPT_CONNECTIONS}, not"
            f" {site.max_connections}: {site.app_nodes} app nodes of {service.name} open"
            f" {service.database.connections} each, and {KEPT_CONNECTIONS} are kept",
            "a node would be refused by PostgreSQL, and answer with errors",
        )


def refuse_role(service: Service, site: SiteFigures) -> Iterator[Refusal]:
    """A role whose name changes which tables the program finds."""
    if service.database and site.database_user in service.database.role_not:
        yield Refusal(
            f"database.user must not be {site.database_user}: {service.name} says so in"
            " database.role_not",
            "PostgreSQL looks first into the schema that is called like the role",
        )


def refuse_own_files(service: Service, site: SiteFigures) -> Iterator[Refusal]:
    """Files that only one node would have."""
    if site.app_nodes < 2 or service.nodes.state == "own":
        return
    for directory in service.directories:
        if directory.holds in ("state", "uploads"):
            yield Refusal(
                f"directory.holds of {directory.path} is {directory.holds}, but {service.name} runs"
                f" on {site.app_nodes} app nodes",
                'what one node keeps, the other does not have; nodes.state = "own" in the'
                " service file accepts that it is lost with its node",
            )


def refuse_idle_database(service: Service, site: SiteFigures) -> Iterator[Refusal]:
    """A database host of a program that has no database."""
    if site.database_hosts and not service.database:
        yield Refusal(
            f"hosts.{site.database_hosts[0]}.roles has postgres, but the service file of"
            f" {service.name} has no [database]",
            "a PostgreSQL server would be installed that nothing uses",
        )


SITE_RULES = (
    refuse_idle_database,
    refuse_low_rate,
    refuse_many_connections,
    refuse_role,
    refuse_own_files,
)


def find_conflicts(service: Service, site: SiteFigures) -> Iterator[Refusal]:
    """Everything that does not fit. Each names the keys of both files."""
    for rule in SITE_RULES:
        yield from rule(service, site)
