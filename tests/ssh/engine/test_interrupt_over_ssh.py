"""Ctrl-C in the middle of a deploy: the step in hand is finished, no other is begun, the locks
are released."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator

import pytest
from sshhost import Host, until
from sshsteps import journal

INTERRUPTED = """
from fabfile.engine.converge import Converger
from fabfile.console.task import run_as_task
from fabfile.engine.journal import Run
from fabfile.engine.lock import Lock
from sshsteps import Marker
steps = [Marker(n, "touch /run/%s.begun; until [ -e /run/%s.go ]; do sleep 0.02; done; touch \
/run/%s" % (n, n, n)) for n in "ab"]

@run_as_task
def task():
    run = Run("deploy", Path("/nonexistent"))
    with Lock([link], run):
        show = lambda o: print(o.step, o.state.value, flush=True)
        Converger(link, run, on_outcome=show, progress=print).apply(steps)

finish(task)
"""


@pytest.fixture
def interrupted(host: Host) -> Iterator[subprocess.Popen[str]]:
    for name in "ab":
        for suffix in ("", ".begun", ".go"):
            (host.files / f"run/{name}{suffix}").unlink(missing_ok=True)
    child = host.child(INTERRUPTED)
    until((host.files / "run/a.begun").exists, "the first step begins")
    yield child
    child.kill()
    child.communicate()


def test_ctrl_c_finishes_the_step_in_hand_and_begins_no_other(
    host: Host, interrupted: subprocess.Popen[str]
) -> None:
    interrupted.send_signal(signal.SIGINT)
    assert (
        "finishing the current step"
        in interrupted.stderr.readline() + interrupted.stderr.readline()
    )
    assert (host.files / "var/lib/runbook/lock").exists()
    (host.files / "run/a.go").touch()
    out, err = interrupted.communicate(timeout=10)
    assert interrupted.returncode == 130
    assert (out, "Traceback" in err) == ("marker a changed\n", False)
    assert err.splitlines()[-3].startswith("✗ interrupted")
    assert [entry["event"] for entry in journal(host)] == ["begin", "changed"]
    assert not (host.files / "run/b.begun").exists()
    assert not (host.files / "var/lib/runbook/lock").exists()


def test_a_second_ctrl_c_does_not_wait(host: Host, interrupted: subprocess.Popen[str]) -> None:
    interrupted.send_signal(signal.SIGINT)
    assert (
        "finishing the current step"
        in interrupted.stderr.readline() + interrupted.stderr.readline()
    )
    interrupted.send_signal(signal.SIGINT)
    out, err = interrupted.communicate(timeout=10)
    assert (interrupted.returncode, out, "Traceback" in err) == (130, "", False)
    assert err.splitlines()[-3] == "✗ interrupted in the middle of a step"
    assert not (host.files / "var/lib/runbook/lock").exists()
    (host.files / "run/a.go").touch()


FLEET = """
from types import SimpleNamespace
from fabfile.engine.converge import Converger
from fabfile.console.task import run_as_task
from fabfile.settings.reach import open_fleet
from fabfile.engine.journal import Run
from fabfile.engine.lock import Lock
from fabfile.settings.inventory import Inventory, Node
from fabfile.settings.settings import Ssh
from sshsteps import Marker

@run_as_task
def task():
    a = link.address
    ssh = Ssh(port=a.port, user=a.user, key=a.key, known_hosts=a.known_hosts, timeout=a.timeout)
    nodes = [Node(name, a.host, ("app",)) for name in "xy"]
    run = Run("deploy", Path("/nonexistent"))
    settings = SimpleNamespace(ssh=ssh, inventory=Inventory(tuple(nodes)))
    with open_fleet(settings, nodes) as fleet, Lock(list(fleet.links.values()), run):
        def work(node):
            n = node.name
            script = "touch /run/%s.begun; until [ -e /run/%s.go ]; do sleep 0.02; done; touch \
/run/%s" % (n, n, n)
            steps = [Marker(n, script), Marker("later", "touch /run/later")]
            tell = lambda outcome: print(outcome.step, outcome.state.value, flush=True)
            return Converger(fleet.link(node), run, on_outcome=tell, progress=print).apply(steps)
        fleet.each(work)

finish(task)
"""


def test_ctrl_c_lets_every_host_finish_its_step(host: Host) -> None:
    for name in ("x", "y", "later"):
        for suffix in ("", ".begun", ".go"):
            (host.files / f"run/{name}{suffix}").unlink(missing_ok=True)
    child = host.child(FLEET)
    until(lambda: all((host.files / f"run/{name}.begun").exists() for name in "xy"), "both begin")
    child.send_signal(signal.SIGINT)
    assert child.stderr
    assert "finishing the current step" in child.stderr.readline() + child.stderr.readline()
    (host.files / "run/x.go").touch()
    until((host.files / "run/x").exists, "x finishes")
    (host.files / "run/y.go").touch()
    out, err = child.communicate(timeout=10)
    assert sorted(out.splitlines()) == ["marker x changed", "marker y changed"]
    assert (child.returncode, "✗ interrupted" in err, "Traceback" in err) == (130, True, False)
    assert not (host.files / "run/later").exists()
    assert not (host.files / "var/lib/runbook/lock").exists()


PLAIN = """
from types import SimpleNamespace
from fabfile.console.task import run_as_task
from fabfile.settings.reach import open_fleet
from fabfile.settings.inventory import Inventory, Node
from fabfile.settings.settings import Ssh

@run_as_task
def task():
    a = link.address
    ssh = Ssh(port=a.port, user=a.user, key=a.key, known_hosts=a.known_hosts, timeout=a.timeout)
    nodes = [Node("one", a.host, ("app",))]
    settings = SimpleNamespace(ssh=ssh, inventory=Inventory(tuple(nodes)))
    with open_fleet(settings, nodes) as fleet:
        fleet.each(lambda node: fleet.link(node).read(["touch /run/reading; sleep 60"]))

finish(task)
"""


def test_without_a_lock_ctrl_c_does_not_wait_for_hosts(host: Host) -> None:
    (host.files / "run/reading").unlink(missing_ok=True)
    child = host.child(PLAIN)
    until((host.files / "run/reading").exists, "it reads")
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=5)
    assert (child.returncode, "✗ interrupted" in err, "Traceback" in err) == (130, True, False)
