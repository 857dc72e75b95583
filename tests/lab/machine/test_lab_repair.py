"""A lab whose processes were killed at a bad moment: the next command makes it good, and leaves
nothing behind."""

from __future__ import annotations

import os
import select
import signal
import time
import tomllib
from pathlib import Path

import pytest
from labtools import run
from roughlab import remains, start_lab

from lab import container, hosts
from lab import ssh as lab_ssh
from lab.names import Lab


@pytest.mark.parametrize("delay", [0.2, 0.35, 0.5, 0.65, 0.8, 1.1, 1.6])
def test_up_repairs_an_up_that_was_killed(spare: Lab, delay: float) -> None:
    process = start_lab(spare, "up", "--hosts", "edge1,node1")
    time.sleep(delay)  # the moment is the point
    process.kill()
    process.wait()
    hosts.up(["edge1", "node1"])
    assert lab_ssh.can_log_in(spare, "edge1")
    assert lab_ssh.can_log_in(spare, "node1")
    assert tomllib.loads(spare.site.read_text())["hosts"].keys() == {"edge1", "node1"}
    hosts.down()
    assert remains(spare) == []


@pytest.mark.parametrize("delay", [0.15, 0.25, 0.4])
def test_down_finishes_a_down_that_was_killed(spare: Lab, delay: float) -> None:
    hosts.up(["edge1", "node1"])
    process = start_lab(spare, "down")
    time.sleep(delay)  # the moment is the point
    process.kill()
    process.wait()
    hosts.down()
    assert remains(spare) == []


@pytest.mark.parametrize("tree", container.list_cgroup_trees(), ids=lambda tree: str(tree.name))
def test_down_removes_cgroups_that_only_one_tree_has(spare: Lab, tree: Path) -> None:
    """A `down` that was killed between the two trees of the hybrid layout."""
    (tree / spare.bridge / "node1" / "payload").mkdir(parents=True)
    hosts.down()
    assert remains(spare) == []


@pytest.mark.parametrize("victims", ["nspawn only", "everything"])
def test_up_copes_with_what_killed_processes_left(spare: Lab, victims: str) -> None:
    hosts.up(["edge1", "node1"])
    for name in ("edge1", "node1"):
        for pid in pids(spare, name, "supervisor" if victims == "nspawn only" else ""):
            end(pid)
    hosts.up(["edge1", "node1"])
    assert lab_ssh.can_log_in(spare, "edge1")
    assert lab_ssh.can_log_in(spare, "node1")
    assert run([*lab_ssh.build_command(spare, "node1"), "sudo -n apt-get update -qq"], 60).code == 0
    hosts.down()
    assert remains(spare) == []


def end(pid: int) -> None:
    """Kill a process and wait until it is gone."""
    try:
        descriptor = os.pidfd_open(pid)
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except ProcessLookupError:  # it went with another
        return
    assert select.select([descriptor], [], [], 10)[0], f"process {pid} is alive 10 s after SIGKILL"
    os.close(descriptor)


def pids(lab: Lab, name: str, part: str) -> list[int]:
    """Processes of a host, or of one part of it (nspawn itself is its supervisor)."""
    tops = (container.list_cgroup_trees()[0] / lab.bridge / name).glob(f"{part or '*'}")
    return [
        int(pid)
        for top in tops
        if top.is_dir()
        for file in top.rglob("cgroup.procs")
        for pid in _read(file)
    ]


def _read(file: Path) -> list[str]:
    return [pid for pid in file.read_text().split() if pid != "0"]
