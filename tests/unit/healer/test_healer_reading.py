"""What the healer reads and writes: configuration, HAProxy's statistics, lock, answers, metrics."""

from __future__ import annotations

import ast
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from samples import FACTS, NODES, site

from fabfile.control import haproxy_stats
from fabfile.roles import healer
from fabfile.steps.file import File
from healer import protocol
from healer.config import parse_config
from healer.edges import parse_stats
from healer.metrics import Metrics
from healer.model import Ping
from healer.probe import ping_app, read_process_start, read_rss
from healer.run import find_deploy


def test_the_healer_parses_the_configuration_of_the_role() -> None:
    text = next(
        step.content
        for step in healer.healer_steps(site(), NODES[3], FACTS)
        if isinstance(step, File) and step.path == healer.CONFIG
    )
    config = parse_config(text)
    assert (config.node, config.order, config.peers) == ("node2", 1, ("node1",))
    assert (config.unit, config.port, config.health_path) == ("bingo.service", 17000, "/ping")
    assert (config.memory_max, config.lifetime, config.peer_wait) == (512 << 20, 480.0, 15.0)
    assert config.edges == (("edge1", "192.0.2.11"), ("edge2", "192.0.2.12"))
    assert config.edge_port == 8405
    assert (config.databases, config.database_user, config.database_name) == (
        (("192.0.2.31", 5432),),
        "bingo",
        "bingo",
    )
    assert (config.lock_file, config.runtime_folder) == (
        "/var/lib/runbook/lock",
        "/run/runbook-healer",
    )


def test_the_healer_imports_only_the_standard_library_and_itself() -> None:
    for path in healer.healer_sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert {
                    alias.name.split(".")[0] for alias in node.names
                } <= sys.stdlib_module_names, path
            elif isinstance(node, ast.ImportFrom) and not node.level:
                assert (node.module or "").split(".")[0] in sys.stdlib_module_names, path


CSV = """# pxname,svname,qcur,scur,status,lastchg,check_status
users,FRONTEND,,4,OPEN,,
health,node1,0,0,DRAIN,289,* L7OK
health,node2,0,0,DOWN,3,L4CON
health,BACKEND,0,0,UP,3,
kept_out,node1,0,0,no check,3,
kept_out,node2,0,0,MAINT,3,
ep_ping,node1,0,2,DRAIN,289,
ep_ping,node2,0,7,DOWN,3,
ep_ping,panic-node1,0,1,no check,3,
ep_ping,BACKEND,0,9,UP,3,
"""


def test_node_states_in_haproxys_statistics() -> None:
    seen, kept_out = parse_stats(CSV, "node1")
    assert not kept_out
    assert parse_stats(CSV, "node2")[1]
    assert seen.keys() == {"node1", "node2"}
    own, peer = seen["node1"], seen["node2"]
    assert (own.status, own.status_age, own.check, own.in_flight) == ("DRAIN", 289, "L7OK", 3)
    assert (own.drained, own.up, own.answers) == (True, False, True)
    assert (peer.drained, peer.up, peer.answers) == (False, False, False)


@pytest.mark.parametrize("text", ["", "<html>", "# pxname,svname\nx,y\n", "HTTP\n\n"])
def test_text_that_is_no_csv_has_no_nodes(text: str) -> None:
    assert parse_stats(text, "node1") == ({}, False)


@pytest.mark.parametrize(
    ("text", "holder"),
    [
        ("", ""),
        ("run=x\nwho=anna@desk\ntask=deploy\nexpires=4102444800\n", "anna@desk's deploy"),
        ("run=x\nwho=anna@desk\ntask=deploy\nexpires=1000000000\n", ""),
        ("run=x\nwho=anna@desk\ntask=deploy\nexpires=?\n", ""),
        ("run=x\nwho=anna@desk\ntask=drill\nexpires=4102444800\n", ""),
    ],
)
def test_a_lock_counts_until_it_expires(tmp_path: Path, text: str, holder: str) -> None:
    (tmp_path / "lock").write_text(text)
    assert find_deploy(str(tmp_path / "lock")) == holder
    assert find_deploy(str(tmp_path / "none")) == ""


def test_counters_continue_after_a_restart_of_the_healer(tmp_path: Path) -> None:
    first = Metrics(str(tmp_path))
    for cause in ("hang", "hang", "age"):
        first.count_restart(cause)
    first.add_recovery("hang", 6.5)
    first.add_recovery("hang", 7.5)
    first.add_recovery("age", 0)
    first.write_metrics(1 << 20, 60)
    again = Metrics(str(tmp_path))
    assert again.restarts == {"hang": 2, "age": 1}
    assert again.recovery == {"hang": 14.0, "age": 0.0}


def test_a_folder_that_cannot_be_written_does_not_stop_the_healer(
    capsys: pytest.CaptureFixture[str],
) -> None:
    metrics = Metrics("/nonexistent/folder")
    metrics.mark_busy("x")
    metrics.write_metrics(0, 0)
    metrics.clear_busy()
    assert "No such file" in capsys.readouterr().out


def test_a_sentence_with_only_new_figures_is_not_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = Metrics(str(tmp_path))
    for sentence in ("well", "well", "ill for 1.5 s", "ill for 2.5 s", "well"):
        metrics.report(sentence)
    assert capsys.readouterr().out == "well\nill for 1.5 s\nwell\n"


def test_a_process_has_a_size_and_a_start_and_a_missing_one_has_neither() -> None:
    import os

    assert read_rss(os.getpid()) > 1 << 20
    assert read_process_start(os.getpid()) > 0
    assert (read_rss(0), read_process_start(0)) == (0, 0)


@contextmanager
def answering(answer: bytes | None) -> Iterator[int]:
    """A port that sends `answer` on every connection; None: it accepts, and sends nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                kept.append(connection)
                if answer is not None:
                    with connection:
                        connection.recv(4096)
                        connection.sendall(answer)

        worker = threading.Thread(target=serve, daemon=True)
        worker.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            for connection in kept:
                connection.close()


@pytest.mark.parametrize(
    ("answer", "ping"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\npong", Ping.OK),
        (b"HTTP/1.0 500 Internal Server Error\r\n\r\nI feel bad.", Ping.WRONG),
        (b"HTTP/1.0 503 Service Unavailable\r\n\r\n", Ping.BUSY),
        (b"HTTP/1.0 429 Too Many Requests\r\n\r\n", Ping.BUSY),
        (b"HTTP/1.0 404 Not Found\r\n\r\n", Ping.WRONG),
        (b"gibberish", Ping.WRONG),
        (b"", Ping.WRONG),
        (None, Ping.HUNG),
    ],
)
def test_a_ping_by_its_answer(answer: bytes | None, ping: Ping) -> None:
    with answering(answer) as port:
        config = parse_config(CONFIG.format(port=port))
        assert ping_app(config)[0] is ping


def test_a_closed_port_refuses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert ping_app(parse_config(CONFIG.format(port=port)))[0] is Ping.REFUSED


CONFIG = """[node]
name = node1
order = 0
peers =
lock = /nonexistent
run = /nonexistent
[app]
unit = bingo.service
port = {port}
health = /ping
memory_max = 1000
lifetime = 0
patience = 15
[edges]
all =
port = 8405
[database]
all =
user = bingo
name = bingo
"""


@pytest.mark.parametrize(
    ("said", "accepts"),
    [
        (b"R\0\0\0\x17\0\0\0\nSCRAM-SHA-256\0\0", True),
        (
            b"E\0\0\0\x40SFATAL\0C28000\0Mno pg_hba.conf entry\0\0",
            True,
        ),  # the server is ready, even if it refuses this user
        (b"E\0\0\0\x40SFATAL\0C57P03\0Mthe database system is starting up\0\0", False),
        (b"", False),
        (None, False),
    ],
)
def test_a_database_is_ready_by_its_first_message(said: bytes | None, accepts: bool) -> None:
    with answering(said) as port:
        assert (
            protocol.is_database_ready("127.0.0.1", port, "bingo", "bingo", timeout=0.3) is accepts
        )


def test_healers_in_the_variables_of_an_edge() -> None:
    text = """proc.healer_drained1: type=bool value=<1>

Variable not found.

proc.healer_away: type=str value=<192.0.2.21>

proc.healer_until: type=sint value=<1030>

now=1000
"""
    nodes = NODES[2:4]
    assert haproxy_stats.parse_healing(nodes, text) == haproxy_stats.Healing(
        ("node1",), "192.0.2.21"
    )
    assert (
        haproxy_stats.parse_healing(nodes, text.replace("now=1000", "now=1030")).away == ""
    )  # the lease has ended
    assert haproxy_stats.parse_healing(nodes, "now=1000\n") == haproxy_stats.Healing()
    assert haproxy_stats.parse_healing(nodes, "") == haproxy_stats.Healing()
