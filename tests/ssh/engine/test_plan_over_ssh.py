"""Trap 2: `fab --dry` of Fabric still uploads. A read-only link refuses, and a plan leaves the
host as it was."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sshhost import ROOT, Host, fab

from fabfile.engine.converge import State, predict_outcomes, read_steps
from fabfile.engine.errors import Mutation
from fabfile.steps.file import File


def listing(host: Host) -> list[str]:
    """Everything the runbook could have left: what differs from the machine below (the overlay's
    upper layer)."""
    upper = Path(f"/proc/{host.pid}/root")
    places = ("var/lib", "var/log", "etc", "srv", "usr/lib", "usr/local")
    return sorted(str(path) for place in places for path in (upper / place).iterdir())


def test_a_read_only_link_refuses_to_change(host: Host) -> None:
    link, before = host.link(readonly=True), host.sessions()
    with pytest.raises(Mutation, match="touch /tmp/x") as refusal:
        link.run("touch /tmp/x\nrm -rf /tmp/y")
    assert refusal.value.why == "nothing was sent"
    with pytest.raises(Mutation):
        link.run("true", check=False)
    with pytest.raises(Mutation):
        link.upload(Path(__file__), "/tmp/x", "0" * 64)
    assert (host.sessions(), link.sessions) == (before, 0), "nothing arrived at the server"
    assert link.read(["echo it can read"])[0].out == "it can read\n"
    link.close()


def test_a_read_only_link_refuses_every_command_of_a_change(host: Host) -> None:
    link = host.link(readonly=True)
    step = File("/tmp/planned", "text\n")
    change = step.decide(read_steps(link, [step])[0])
    assert change is not None
    for command in change.commands:
        with pytest.raises(Mutation):
            command.execute(link, print)
    assert [outcome.state for outcome in predict_outcomes([step], read_steps(link, [step]))] == [
        State.WOULD
    ]
    assert not (host.files / "tmp/planned").exists()
    link.close()


def test_a_plan_shows_and_leaves_no_trace(host: Host, site: Path) -> None:
    before = listing(host)
    ways = [("plan",), ("--dry", "deploy"), ("-H", "one", "--dry", "deploy", "--take-over")]
    with ThreadPoolExecutor(len(ways)) as pool:
        for done in pool.map(lambda words: fab(site, *words), ways):
            assert done.returncode == 2, done.stderr
            assert "create directory /var/lib/runbook" in done.stdout
            assert "plan: 1 host" in done.stdout.splitlines()[-1]
    assert listing(host) == before
    assert not (host.files / "var/lib/runbook").exists()


def test_a_plan_is_one_session_and_json_for_machines(host: Host, site: Path) -> None:
    before = host.sessions()
    done = fab(site, "plan", "--json", "-")
    report = json.loads(done.stdout)
    assert (report["task"], report["exit"], done.returncode) == ("plan", 2, 2)
    assert report["hosts"][0]["host"] == "one"
    assert report["totals"]["changed"] == 0
    assert report["sessions"] == host.sessions() - before


def test_a_plan_shows_the_commands_that_would_run(host: Host, site: Path) -> None:
    done = fab(site, "plan", "--commands", "--json", "-")
    assert "\n    $ install -d -o root -g root -m 0755 /var/lib/runbook\n" in done.stderr
    steps = json.loads(done.stdout)["hosts"][0]["steps"]
    made = [step for step in steps if step["step"] == "directory /var/lib/runbook"]
    assert made[0]["commands"] == ["install -d -o root -g root -m 0755 /var/lib/runbook"]
    assert "$ install" not in fab(site, "plan").stdout


def test_one_file_configures_fabric() -> None:
    """Trap 9: `fab` reads fabric.yaml, `inv` reads invoke.yaml; ours is the site file, and one
    official hook each."""
    read_by_fabric = {
        f"{stem}.{kind}" for stem in ("fabric", "invoke") for kind in ("yaml", "yml", "json", "py")
    }
    assert {path.name for path in ROOT.iterdir()} & read_by_fabric == {"fabric.yaml", "invoke.yaml"}
    hooks = {
        "fabric.yaml": "fabfile.console.executor.RolloutExecutor",
        "invoke.yaml": "lab.executor.MenuExecutor",
    }
    for name, hook in hooks.items():
        lines = [
            line for line in (ROOT / name).read_text().splitlines() if not line.startswith("#")
        ]
        assert lines == ["tasks:", f"  executor_class: {hook}"]
