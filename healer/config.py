"""The healer's configuration: an INI file that the runbook renders (configs/app/healer.conf)."""

from __future__ import annotations

from ast import literal_eval
from configparser import ConfigParser
from typing import NamedTuple

IDLE_SECONDS = 35.0
"""Seconds in which the requests at a drained node must end, unless the configuration gives more:
an answer may take 30."""

USUAL_BUSY = (429, 503)
"""HTTP statuses with which an app at its limit refuses a request."""


class HealthRule(NamedTuple):
    """The request for the health page, and its right answer."""

    request: str
    """As it goes over the network."""
    right: tuple[int, ...] = (200,)
    """Statuses of a right answer."""
    busy: tuple[int, ...] = USUAL_BUSY
    """Statuses with which an app at its limit refuses the request. It is well."""
    equals: str = ""
    """The whole body of a right answer; empty: any. So are the next two."""
    contains: str = ""
    not_contains: str = ""

    def is_right(self, body: str) -> bool:
        """Whether the body is that of a right answer."""
        return (
            (not self.equals or body.strip() == self.equals.strip())
            and self.contains in body
            and not (self.not_contains and self.not_contains in body)
        )


class Config(NamedTuple):
    """The configuration of one node's healer. Sizes are in bytes, times in seconds."""

    node: str
    order: int
    """Position among the app nodes: decides who restarts first when no balancer can be asked."""
    peers: tuple[str, ...]
    """The other app nodes, by their names in the balancers."""
    unit: str
    port: int
    health_path: str
    health: HealthRule
    memory_max: int
    lifetime: float
    """Age at which the app is drained and restarted; 0 turns this off."""
    peer_wait: float
    """How long a peer that is down may take to come back before this node stops waiting."""
    edges: tuple[tuple[str, str], ...]
    """Name and address of each edge."""
    edge_port: int
    databases: tuple[tuple[str, int], ...]
    """Address and port of each PostgreSQL server."""
    database_user: str
    database_name: str
    lock_file: str
    """The file by which a deploy locks the node."""
    runtime_folder: str
    """Folder for the metrics and the `busy` mark."""
    idle_seconds: float = IDLE_SECONDS
    """How long the requests at a drained node may take."""


def parse_config(text: str) -> Config:
    """Parse the configuration in `text`.

    Raises:
        KeyError, ValueError: a value is missing or is no number; the unit then fails, and its
        journal names the value.
    """
    parser = ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    node = parser["node"]
    app = parser["app"]
    edge = parser["edges"]
    database = parser["database"]
    return Config(
        node=node["name"],
        order=int(node["order"]),
        peers=tuple(node["peers"].split()),
        unit=app["unit"],
        port=int(app["port"]),
        health_path=app["health"],
        health=_parse_health(parser, app["health"]),
        memory_max=int(app["memory_max"]),
        lifetime=float(app["lifetime"]),
        peer_wait=float(app["patience"]),
        edges=tuple(_split_edge(word) for word in edge["all"].split()),
        edge_port=int(edge["port"]),
        databases=tuple(_split_database(word) for word in database["all"].split()),
        database_user=database["user"],
        database_name=database["name"],
        lock_file=node["lock"],
        runtime_folder=node["run"],
        idle_seconds=float(app.get("idle", str(IDLE_SECONDS))),
    )


def _parse_health(parser: ConfigParser, path: str) -> HealthRule:
    """The section `health`, whose values are written as in Python; without it, a GET of `path`."""
    if not parser.has_section("health"):
        return HealthRule(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")
    return HealthRule(**{key: literal_eval(text) for key, text in parser["health"].items()})


def _split_edge(word: str) -> tuple[str, str]:
    """`edge1=192.0.2.11` as name and address."""
    name, _, address = word.partition("=")
    return name, address


def _split_database(word: str) -> tuple[str, int]:
    """`192.0.2.31:5432` as address and port."""
    address, _, port = word.rpartition(":")
    return address, int(port)
