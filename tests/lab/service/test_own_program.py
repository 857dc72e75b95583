"""A program that nobody has described, of a site outside this checkout: discovered, deployed,
checked and drilled. It has no database, and the site has no host for one. In a lab of its own."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from deployed import assert_unchanged
from labtools import ROOT, Runner, as_current
from labtools import run as run_command
from own_program import SERVER, describe_site, fill_in

from lab import hosts
from lab.names import Lab

HOSTS = ("edge1", "node1", "node2")


@pytest.fixture(scope="module")
def strange(lab: Lab) -> Iterator[Lab]:
    with as_current(Lab(lab.number + 61)) as strange:
        hosts.down()
        hosts.up(list(HOSTS), deaths="off", scale=0.01)
        yield strange
        hosts.down()


def changed_files() -> str:
    """What differs from the commit in this checkout."""
    return run_command(["git", "-C", str(ROOT), "status", "--porcelain"], timeout=60).out


def test_from_a_binary_to_a_drill(strange: Lab, run_fab: Runner, tmp_path: Path) -> None:
    shutil.copyfile(SERVER, tmp_path / "hello")
    sha256 = hashlib.sha256(SERVER.read_bytes()).hexdigest()
    addresses = {name: strange.address(name) for name in HOSTS}
    site, ssh = tmp_path / "site.toml", strange.folder / "ssh"
    env = {"SITE": str(site)}
    site.write_text(describe_site(addresses, ssh, sha256))
    before = changed_files()

    found = run_fab("app.discover", "--write", "services/hello", env=env)
    assert found.code == 0, found
    file = tmp_path / "services/hello/service.toml"
    file.write_text(fill_in(file.read_text()))
    site.write_text(describe_site(addresses, ssh, sha256, "services/hello"))

    deployed = run_fab("deploy", env=env)
    assert deployed.code == 0, deployed
    assert_unchanged(run_fab("deploy", env=env))
    assert run_fab("plan", env=env).code == 0

    checked = run_fab("check", "--quick", "--json", "-", env=env)
    assert checked.code == 0, checked
    rows = {row["id"]: row["held"] for row in json.loads(checked.out)["rows"]}
    assert rows["thing"] is True
    assert rows["home"] is True

    drilled = run_fab("drill.app-killed", "--yes-really", "--json", "-", env=env)
    assert drilled.code == 0, drilled
    assert json.loads(drilled.out)["drills"][0]["held"] is True
    assert changed_files() == before
