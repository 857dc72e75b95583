"""A release that is bad in one of five ways never gets further than the gate, and the fleet is
rolled back: no request fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from deployed import NODES, Deployed, Variant, complaint, drained, journal, until, wait_until_up
from labtools import ROOT, Outcome, Runner, Ssh
from users import Users

from lab import releases, sitefile

Site = Callable[..., dict[str, str]]


@pytest.fixture
def site(deployed: Deployed, variant: Variant, tmp_path: Path) -> Site:
    """The environment of a site that pins a release of that kind."""

    def make(kind: str = "", number: int = os.getpid()) -> dict[str, str]:
        if not kind:
            return variant()
        path = releases.make_release(deployed.lab.folder / "bingo", tmp_path, kind, number)
        return variant(app={"binary": str(path), "sha256": sitefile.hash_file(path)})

    return make


@pytest.fixture
def users(deployed: Deployed, ssh: Ssh) -> Iterator[Users]:
    """Users at work during the whole test, with GETs and POSTs; none of them may notice
    anything."""
    wait_until_up(ssh)
    with Users(deployed.lab.floating, rate=40) as users:
        yield users
    assert users.failed == {}
    assert users.asked > 100


@pytest.fixture(autouse=True)
def _back(deployed: Deployed, run_fab: Runner, site: Site) -> Iterator[None]:
    """Afterwards the lab's own release runs again."""
    yield
    outcome = run_fab("deploy", env=site())
    assert outcome.code == 0, outcome


def running(ssh: Ssh) -> list[str]:
    return [ssh(node, "readlink /srv/app/current").out.strip().rpartition("/")[2] for node in NODES]


def pinned(env: dict[str, str]) -> str:
    text = Path(env["SITE"]).read_text()
    return text.partition('sha256 = "')[2][:12]


def run_folder(outcome: Outcome) -> Path:
    """Where the evidence was left."""
    return Path(complaint(outcome).why.partition("the evidence is in ")[2])


BAD = {
    "slow": ("failed the gate: p90 of reads 7", ["node1"]),
    "errors": ("failed the gate: failed reads 5.0 % (at most 1 %)", ["node1"]),
    "dies": ("failed the gate: ", ["node1"]),  # whatever it died in the middle of
    "refuses": ("failed the gate: bingo.service did not come up", ["node1"]),
    "node2": ("failed the gate: bingo.service did not come up", ["node2", "node1"]),
}
"""Each kind of bad release: the number that fails, and the nodes that had got it."""


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_release_is_rolled_back_and_nobody_notices(
    kind: str, users: Users, run_fab: Runner, ssh: Ssh, site: Site
) -> None:
    before, env = running(ssh), site(kind)
    assert len(set(before)) == 1

    outcome = run_fab("deploy", env=env)

    assert outcome.code == 5, outcome
    number, touched = BAD[kind]
    said = complaint(outcome)
    assert said.seen.startswith(f"{touched[0]}: release {pinned(env)} {number}"), said
    assert (
        f"{', '.join(touched)} {'is' if len(touched) == 1 else 'are'} back on release {before[0]}"
        in said.why
    )
    assert running(ssh) == before
    assert drained(ssh) == []
    assert run_fab("status").code == 0
    kept = {
        path.name.split("-")[0]
        for path in run_folder(outcome).glob(f"*-{touched[0]}-{pinned(env)}*")
    }
    assert kept == {"gate", "journal", "log", "strace", "host"}


def test_good_releases_come_and_go_and_a_rollback_takes_them_back(
    users: Users, run_fab: Runner, ssh: Ssh, site: Site
) -> None:
    """Deployed; back by hand; the site file is the truth for the next deploy; back to a named
    one."""
    (first, _), env = running(ssh), site("good")
    second = pinned(env)
    deployed = run_fab("deploy", env=env)
    assert deployed.code == 0, deployed
    assert f"release {second} passed the gate: reads 80, failed reads 0.0 %" in deployed.out
    assert run_fab("rollback", "--dry", env=env).code == 2

    back = run_fab("rollback", "--reason", "a doubt", env=env)
    assert back.code == 0, back
    assert running(ssh) == [first, first]
    assert f"still pins {second}" in back.out
    assert run_fab("rollback", "--to", first[:6], env=env).code == 0  # nothing to do
    assert run_fab("plan", env=env).code == 2

    listed = run_fab("releases", "--json", "-", env=env)
    assert listed.code == 0, listed
    for kept in json.loads(listed.out)["hosts"].values():
        assert {one["id"]: one["current"] for one in kept if one["id"] in (first, second)} == {
            first: True,
            second: False,
        }
        assert all(
            one["proven"] and one["size"] > 1e6 for one in kept if one["id"] in (first, second)
        )

    again = run_fab("-H", "node1", "deploy", env=env)
    assert again.code == 0, again
    assert f"node2    was left out and runs {first}, not {second}" in again.out
    assert running(ssh) == [second, first]
    assert run_fab("releases").code == 2
    assert "run different releases" in complaint(run_fab("rollback", env=env)).why
    assert "no release on the nodes" in complaint(run_fab("rollback", "--to", "zz", env=env)).seen
    assert drained(ssh) == []


def test_a_deploy_killed_at_the_gate_keeps_the_node_out_until_it_passed(
    users: Users, run_fab: Runner, ssh: Ssh, site: Site
) -> None:
    env = site("good")
    fab = str(Path(sys.executable).with_name("fab"))
    process = subprocess.Popen(
        [fab, "deploy"],
        cwd=ROOT,
        env={**os.environ, **env},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(
        lambda: (
            ssh("node1", "pgrep -f ^/bin/bash./usr/lib/runbook/app-gate", check=False).code == 0
        ),
        "the gate",
    )
    process.send_signal(signal.SIGKILL)
    process.wait()

    assert drained(ssh) == ["node1"]
    status = run_fab("status")
    assert status.code == 2
    assert "holds node1 drained: gate 20" in status.out
    refused = run_fab("-H", "node1", "undrain")
    assert refused.code == 1
    assert "has not passed the gate" in complaint(refused).why
    assert drained(ssh) == ["node1"]

    restarted = run_fab("-H", "node1", "app.restart", env=env)
    assert restarted.code == 0, restarted
    assert "passed the gate" in restarted.out
    assert drained(ssh) == []
    assert run_fab("deploy", env=env).code == 0
    assert running(ssh) == [pinned(env)] * 2
    assert any("passed the gate" in entry["message"] for entry in journal(ssh, "node2"))
