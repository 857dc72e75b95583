"""A small site with every role, for tests that need settings but no hosts. Its values are fixed:
golden files show them."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

from fabfile.discovery.model import Destination, Facts
from fabfile.engine.host import Node
from fabfile.engine.secret import Secret
from fabfile.settings.edge import Edge
from fabfile.settings.endpoint import Endpoint
from fabfile.settings.inventory import Inventory
from fabfile.settings.monitoring import Monitoring
from fabfile.settings.project import PROJECT
from fabfile.settings.requirements import Requirement, list_requirements
from fabfile.settings.service import Service
from fabfile.settings.service_file import read_service
from fabfile.settings.settings import App, Database, Gate, Settings, Ssh, Tls
from fabfile.steps.cert import Material
from fabfile.traffic.calls import CallMaker
from fabfile.traffic.values import Range

SHA256 = "5e" * 32
PASSWORD = "golden-Password_1"
NODES = (
    Node("edge1", "192.0.2.11", ("edge",)),
    Node("edge2", "192.0.2.12", ("edge",)),
    Node("node1", "192.0.2.21", ("app",)),
    Node("node2", "192.0.2.22", ("app",)),
    Node("db1", "192.0.2.31", ("postgres",)),
)

FACTS = Facts(
    binary_sha256=SHA256,
    command=("run_server",),
    ports=(Destination("0.0.0.0", 17000),),
    config="/opt/bingo/config.yaml",
    logs=("/opt/bongo/logs/abcdef1234/main.log",),
    directories=("/opt/bongo/logs/abcdef1234",),
    reject=(Destination("8.8.8.8", 80),),
    prepare_command=("prepare_db",),
)

MATERIAL = Material(
    "-----BEGIN CERTIFICATE-----\ngolden\n",
    Secret("golden-key\n"),
    "ab" * 32,
    "shop.example",
    "2026-03-31",
)

PROGRAM = read_service(PROJECT / "services/bingo")
APP = App(
    binary="bingo",
    sha256=SHA256,
    user="bingo",
    memory_max="512M",
    log_max_mb=64,
    lifetime=480,
    settings={"email": "test@example.com"},
)
EDGE = Edge(address="192.0.2.10", node_maxconn=16, node_rate=92)
GATE = Gate(error_percent=1.0, p90_ms=400)


def site() -> Settings:
    """The site."""
    return Settings(
        path=Path("/nonexistent/site.toml"),
        name="sample",
        service="http://192.0.2.10",
        ssh=Ssh("ops", known_hosts=Path("/nonexistent/known_hosts")),
        app=APP,
        database=Database(name="bingo", user="bingo"),
        edge=EDGE,
        tls=Tls(names=("shop.example",), store=Path("/nonexistent/tls")),
        inventory=Inventory(NODES),
        password=Secret(PASSWORD),
        gate=GATE,
        program=PROGRAM,
        program_folder=PROJECT / "services/bingo",
    )


def balanced_site() -> Settings:
    """The same site behind a balancer of the provider, which sends PROXY headers and no UDP."""
    edge = replace(
        EDGE,
        address="192.0.2.20",
        address_by="external",
        balancer=("192.0.2.5", "198.51.100.0/24"),
        proxy_protocol=True,
        http3=False,
    )
    return replace(site(), service="http://192.0.2.20", edge=edge)


MONITOR = Node("mon1", "192.0.2.41", ("monitoring",))


def watched_site() -> Settings:
    """The same site with a monitoring host, and somebody to call."""
    return replace(
        site(),
        inventory=Inventory((*NODES, MONITOR)),
        monitoring=Monitoring(
            mail_to="oncall@example.com", mail_from="alerts@example.com", smtp="192.0.2.99:587"
        ),
    )


MINIFLUX = read_service(PROJECT / "services/miniflux")
"""Another program, that nobody here wrote."""


def calls_of(program: Service = PROGRAM, **tops: int) -> CallMaker:
    """Makes requests of a program whose values end at `tops`."""
    ranges = {name: Range(top) for name, top in tops.items()}
    return CallMaker(program, ranges, random.Random(1))


def endpoint_of(name: str, program: Service = PROGRAM) -> Endpoint:
    """The endpoint called so."""
    return next(endpoint for endpoint in program.endpoints if endpoint.name == name)


def requirement_of(id: str, program: Service = PROGRAM) -> Requirement:
    """The requirement with this id."""
    return next(one for one in list_requirements(program) if one.id == id)
