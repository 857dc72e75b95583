"""What the healer is told of its site: an INI file that the runbook renders."""

from __future__ import annotations

from configparser import ConfigParser
from typing import NamedTuple


class Config(NamedTuple):
    """One node's healer. Sizes are bytes, times seconds."""

    node: str
    order: int
    """Place among the app nodes: who goes first when two might."""
    peers: tuple[str, ...]
    """The other app nodes, by the names the balancers know them by."""
    unit: str
    port: int
    health: str
    memory_max: int
    lifetime: float
    """Age at which the app is started anew, drained; 0: never."""
    patience: float
    """How long a node that is down may take to come back by itself."""
    edges: tuple[tuple[str, str], ...]
    """Name and address of each edge."""
    edge_port: int
    databases: tuple[tuple[str, int], ...]
    database_user: str
    database_name: str
    lock: str
    """The file by which a deploy holds the node."""
    run: str
    """Folder for counters and marks."""


def parse(text: str) -> Config:
    """The configuration in `text`.

    Raises:
        KeyError, ValueError: something is missing or no number; the unit then fails, and its
        journal says what.
    """
    parser = ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    node = parser["node"]
    app = parser["app"]
    edge = parser["edges"]
    base = parser["database"]
    return Config(
        node=node["name"],
        order=int(node["order"]),
        peers=tuple(node["peers"].split()),
        unit=app["unit"],
        port=int(app["port"]),
        health=app["health"],
        memory_max=int(app["memory_max"]),
        lifetime=float(app["lifetime"]),
        patience=float(app["patience"]),
        edges=tuple(
            (name, address)
            for name, _, address in (word.partition("=") for word in edge["all"].split())
        ),
        edge_port=int(edge["port"]),
        databases=tuple(
            (word.rpartition(":")[0], int(word.rpartition(":")[2])) for word in base["all"].split()
        ),
        database_user=base["user"],
        database_name=base["name"],
        lock=node["lock"],
        run=node["run"],
    )
