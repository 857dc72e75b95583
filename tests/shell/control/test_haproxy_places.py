"""Where app nodes are, as HAProxy on an edge has it: changed on disk and in the one that runs,
never brought back by a saved state."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from samples import FACTS, MATERIAL, NODES, site

from fabfile.control import haproxy
from fabfile.control.haproxy import server_address_script
from fabfile.engine.command import Shell
from fabfile.engine.host import Node
from fabfile.engine.shell import Reading
from fabfile.rollout.system import System
from fabfile.settings.template import render_template
from fabfile.steps import leftovers
from fabfile.steps.file import File
from fabfile.steps.leftovers import NoLeftoverDrain

HEAD = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state"


def row(
    backend: str, server: str, admin: int = 0, at: str = "192.0.2.21 17000", state: int = 2
) -> str:
    """A line of `show servers state`, as HAProxy 3.0 prints it."""
    address, port = at.split()
    return (
        f"4 {backend} 1 {server} {address} {state} {admin} 1 1 71 15 3 3 6 0 0 0 - {port} - 0 0"
        " - - 0"
    )


def config() -> str:
    """An edge's haproxy.cfg."""
    steps = System(site(), Path("/nonexistent/bingo"), FACTS, MATERIAL).steps(NODES[0], "edge")
    return next(
        step.content
        for step in steps
        if isinstance(step, File) and step.path.endswith("haproxy.cfg")
    )


class Edge:
    """A folder that stands for an edge: its configuration, and programs that answer for HAProxy."""

    def __init__(self, root: Path) -> None:
        self.root, self.config, self.saved = root, root / "haproxy.cfg", root / "server-state"
        self.config.write_text(config())
        (root / "bin").mkdir()
        self.program("haproxy", "exit 0")
        self.program("socat", f'read -r asked; echo "$asked" >>{root}/asked; cat {root}/state')
        (root / "state").write_text("")

    def program(self, name: str, text: str) -> None:
        path = self.root / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def run(self, script: str, *words: str) -> subprocess.CompletedProcess[str]:
        for real in ("/etc/haproxy", "/var/lib/haproxy"):
            script = script.replace(f"{real}/", f"{self.root}/")
        environment = {**os.environ, "PATH": f"{self.root}/bin:{os.environ['PATH']}"}
        return subprocess.run(
            ["sh", "-s", *words],
            input=script,
            env=environment,
            capture_output=True,
            text=True,
            timeout=20,
        )

    def place(self, node: Node, port: int) -> subprocess.CompletedProcess[str]:
        return self.run(server_address_script(node, port))


@pytest.fixture
def edge(tmp_path: Path) -> Edge:
    return Edge(tmp_path)


def test_a_node_is_moved_on_disk_in_every_backend_and_no_other_node(edge: Edge) -> None:
    edge.config.chmod(0o640)
    done = edge.place(NODES[2], 3064)
    assert (done.returncode, done.stderr) == (0, "")
    assert edge.config.read_text() == config().replace("192.0.2.21:17000", "192.0.2.21:3064")
    assert edge.config.stat().st_mode & 0o777 == 0o640
    moved = Node("node1", "192.0.2.99", ("app",))
    assert edge.place(moved, 17000).returncode == 0
    assert edge.config.read_text() == config().replace("192.0.2.21:17000", "192.0.2.99:17000")


def test_a_name_is_not_a_pattern_nor_part_of_another(edge: Edge) -> None:
    edge.config.write_text(
        "# Written by the runbook\n    server nodeX1 a:1\n    server node.1 a:1\n    server node.12"
        " a:1\n"
    )
    assert edge.place(Node("node.1", "192.0.2.9", ("app",)), 2).returncode == 0
    assert edge.config.read_text().splitlines()[1:] == [
        "    server nodeX1 a:1",
        "    server node.1 192.0.2.9:2",
        "    server node.12 a:1",
    ]


def test_the_one_that_runs_is_told_what_it_has_otherwise_and_asked_again(edge: Edge) -> None:
    others = [
        row("health", "node2", at="192.0.2.22 17000"),
        row("ep_root", "node1", at="192.0.2.21 3064"),
    ]
    wrong = [row("health", "node1"), row("ep_root", "panic-node1")]
    (edge.root / "state").write_text("\n".join([HEAD, *others, *wrong, ""]))
    done = edge.place(NODES[2], 3064)
    assert done.returncode == 1, "it did not move"
    assert "HAProxy does not move health/node1 to 192.0.2.21:3064" in done.stderr
    assert (edge.root / "asked").read_text().splitlines() == [
        "show servers state",
        (
            "set server health/node1 addr 192.0.2.21 port 3064;set server ep_root/panic-node1 addr"
            " 192.0.2.21 port 3064;"
        ),
        "show servers state",
    ]


def test_a_refused_configuration_leaves_all_as_it_is(edge: Edge) -> None:
    edge.program("haproxy", "echo broken >&2; exit 1")
    (edge.root / "state").write_text(f"{HEAD}\n{row('health', 'node1')}\n")
    assert edge.place(NODES[2], 3064).returncode == 1
    assert edge.config.read_text() == config()
    assert not (edge.root / "asked").exists()


@pytest.mark.parametrize("text", ["backend other\n    server node1 192.0.2.21:1\n", None])
def test_what_is_not_ours_is_not_touched(edge: Edge, text: str | None) -> None:
    edge.config.write_text(text) if text else edge.config.unlink()
    assert edge.place(NODES[2], 3064).returncode == 0
    assert (edge.config.read_text() if edge.config.exists() else None) == text


@pytest.mark.parametrize(
    ("records", "sentence", "left"),
    [
        ({}, "", []),
        (
            {"node1": "operator anna@desk: deploy later", "node2": "gate 1: x"},
            "",
            ["node1", "node2"],
        ),
        ({"node1": "deploy 1"}, "undrain node1 (an unfinished deploy drained it)", []),
        (
            {"node9": "operator anna"},
            "remove the drain record of node9 (not an app node any more)",
            [],
        ),
        (
            {"node1": "deploy 1", "node2": "operator anna", "node9": "deploy 1"},
            (
                "undrain node1 (an unfinished deploy drained it); remove the drain record of"
                " node9 (not an app node any more)"
            ),
            ["node2"],
        ),
    ],
)
def test_leftover_records_of_drains_are_settled(
    edge: Edge,
    monkeypatch: pytest.MonkeyPatch,
    records: dict[str, str],
    sentence: str,
    left: list[str],
) -> None:
    folder = edge.root / "drained"
    folder.mkdir()
    for module in (haproxy, leftovers):
        monkeypatch.setattr(module, "DRAINED_NODES", str(folder))
    for name, why in records.items():
        (folder / name).write_text(f"{why}\n")
    step = NoLeftoverDrain(("node1", "node2"))
    change = step.decide(Reading(edge.run(step.probe()).stdout, 0))
    assert (change.sentence if change else "") == sentence
    for command in change.commands if change else ():
        assert isinstance(command, Shell)
        assert edge.run(command.script).returncode == 0
    assert sorted(path.name for path in folder.iterdir()) == left


SAVED = [
    HEAD,
    row("health", "node1", admin=8, at="192.0.2.21 3064"),  # a healer's drain
    row("health", "node2", admin=8, at="192.0.2.98 3064", state=0),  # an operator's
    row("kept_out", "node1", at="192.0.2.21 3064"),
    row("kept_out", "node2", admin=1, at="192.0.2.98 3064"),
    row("gone", "node9", at="192.0.2.9 3064"),
    "",
]


@pytest.mark.parametrize("words", [(), ("kept",)], ids=["asked", "kept"])
def test_the_saved_state_carries_drains_and_up_or_down_but_no_port(
    edge: Edge, words: tuple[str, ...]
) -> None:
    (edge.saved if words else edge.root / "state").write_text("\n".join(SAVED))
    done = edge.run(render_template("haproxy/save-state"), *words)
    assert (done.returncode, done.stderr) == (0, "")
    kept = [line.split() for line in edge.saved.read_text().splitlines()[2:]]
    assert [(at[1], at[3], at[5], at[6], at[18]) for at in kept] == [
        ("health", "node1", "2", "0", "17000"),
        ("health", "node2", "0", "8", "17000"),
        ("kept_out", "node1", "2", "0", "17000"),
        ("kept_out", "node2", "2", "1", "17000"),
        ("gone", "node9", "2", "0", "3064"),
    ]


def test_nothing_saved_is_nothing_to_start_with(edge: Edge) -> None:
    assert edge.run(render_template("haproxy/save-state"), "kept").returncode != 0
    assert not edge.saved.exists()
