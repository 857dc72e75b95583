"""The questions about ports as a shell runs them: connections on this machine, HAProxy's real
configuration, PostgreSQL's files."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from samples import FACTS, NODES, site

from fabfile.engine.shell import Reading
from fabfile.health import network
from fabfile.roles import haproxy
from fabfile.roles.ports import ANY, Port
from fabfile.rollout import listeners
from fabfile.steps.file import File


def sh(script: str) -> str:
    return subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, timeout=20, check=True
    ).stdout


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def test_connections_that_succeed_and_that_are_refused(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with (
        socket.socket() as other
    ):  # bound, and nobody listens: nobody else gets this port meanwhile
        other.bind(("127.0.0.1", 0))
        closed = other.getsockname()[1]
        text = sh(f"{network.TRY}try one 127.0.0.1 {port} &\ntry two 127.0.0.1 {closed} &\nwait")
    results = {tried.target: tried for tried in network.parse_network(text).tried}
    assert results["one"].result == network.OPEN
    assert results["two"].refused


def test_the_port_of_the_app_is_read_from_the_configuration_that_we_write(tmp_path: Path) -> None:
    step = next(
        step
        for step in haproxy.haproxy_steps(
            site(), NODES[0], {"node1": FACTS.port, "node2": FACTS.port}
        )
        if isinstance(step, File) and step.path.endswith("haproxy.cfg")
    )
    config = tmp_path / "haproxy.cfg"
    config.write_text(step.content if isinstance(step.content, str) else step.content.decode())
    functions = network.TRY.replace("/etc/haproxy/haproxy.cfg", str(config))
    assert sh(f"{functions}app_port node2 192.0.2.22").split() == [str(FACTS.port)]
    assert sh(f"{functions}app_port node3 192.0.2.23") == ""


def test_who_listens_is_found_out_by_its_process(listener: socket.socket) -> None:
    port = Port("ours.service", listener.getsockname()[1], ANY)
    out = sh(listeners.listener_probe([port], 17))
    (found,) = listeners.find_conflicts([port], Reading(out, 0))  # type: ignore[misc]
    assert "python" in found.description or "pytest" in found.description


CLUSTERS = {
    "15/main": ("#port = 5433\nport = 5432\t# of old\n", "auto"),
    "15/late": ("port = 5433\ninclude_dir = 'conf.d'\n", "auto\n"),
    "16/quiet": ("port = 5432\n", "# by hand\nmanual\n"),
    "16/quoted": ("  port='5432'\n", ""),
    "17/main": ("port = 5432\n", "auto"),
}


def test_the_clusters_that_start_at_boot(tmp_path: Path) -> None:
    for name, (config, start) in CLUSTERS.items():
        folder = tmp_path / name
        (folder / "conf.d").mkdir(parents=True)
        (folder / "postgresql.conf").write_text(config)
        (folder / "start.conf").write_text(start)
    (tmp_path / "15/late/conf.d/50.conf").write_text("port = 5432\n")
    script = listeners.CLUSTERS.replace("/etc/postgresql", str(tmp_path)).replace("OURS", "17/main")
    assert sh(script).splitlines() == [
        "at-boot 5432 cluster 15/late",
        "at-boot 5432 cluster 15/main",
        "at-boot 5432 cluster 16/quoted",
    ]
