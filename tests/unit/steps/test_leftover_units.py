"""Units of the runbook leave the host with their files and package; anybody else's stay."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from samples import site, watched_site
from steptools import script, sentence

from fabfile.engine.frame import PROXIES
from fabfile.engine.shell import Reading
from fabfile.roles.exporters import exporter_units
from fabfile.roles.unmonitored import SERVERS, unmonitored_steps
from fabfile.settings.paths import OURS
from fabfile.settings.settings import Settings
from fabfile.steps.leftover_units import LeftoverUnit, NoLeftoverUnits


@pytest.fixture
def step(tmp_path: Path) -> NoLeftoverUnits:
    """Two units of ours, and one of somebody else's."""
    units = []
    for name, words in (("a", OURS), ("b", OURS), ("c", "of the administrator")):
        mark = tmp_path / f"{name}.service.d/run book.conf"
        mark.parent.mkdir()
        mark.write_text(f"# {words}.\n")
        (tmp_path / f"{name}.more").mkdir()
        units.append(
            LeftoverUnit(f"{name}.service", str(mark), (str(tmp_path / f"{name}.more"),), name)
        )
    (tmp_path / "b.service.d/local.conf").touch()
    return NoLeftoverUnits("things", tuple(units))


def read_marks(step: NoLeftoverUnits) -> str:
    done = subprocess.run(["sh", "-c", step.probe()], capture_output=True, text=True, check=True)
    return done.stdout


def run_change(step: NoLeftoverUnits, folder: Path, apt: str) -> int:
    """Run it with false systemctl and apt-get, which write down what they are asked; its code."""
    for name, text in (("systemctl", ""), ("apt-get", apt)):
        program = folder / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\necho "{name} $*" >>{folder}/asked\n{text}\n')
        program.chmod(0o755)
    proxies = {f"HOST_{name.upper()}": "" for name in PROXIES}
    env = {"PATH": f"{folder}/bin:{os.environ['PATH']}", **proxies}
    text = script(step.decide(Reading(read_marks(step), 0)))
    return subprocess.run(["sh", "-c", text], env=env).returncode


def test_only_units_of_the_runbook_go(step: NoLeftoverUnits, tmp_path: Path) -> None:
    assert sentence(step, read_marks(step)) == (
        "remove a.service, b.service (no longer needed here)"
    )
    assert run_change(step, tmp_path, "") == 0
    left = {path.name for path in tmp_path.iterdir()} - {"bin", "asked"}
    assert left == {"b.service.d", "c.service.d", "c.more"}, "somebody has a drop-in of b"
    asked = (tmp_path / "asked").read_text().splitlines()
    assert "systemctl -q disable --now a.service" in asked
    assert [line for line in asked if line.endswith("remove a b")]
    assert not [line for line in asked if "c.service" in line]
    assert sentence(step, read_marks(step)) is None


def test_a_failed_removal_is_repeated(step: NoLeftoverUnits, tmp_path: Path) -> None:
    assert run_change(step, tmp_path, "exit 100") != 0
    assert sentence(step, read_marks(step))


@pytest.mark.parametrize("settings", [site(), watched_site()], ids=["alone", "watched"])
def test_each_unit_of_the_monitoring_is_needed_or_goes(settings: Settings) -> None:
    every = set(SERVERS)
    for node in watched_site().inventory.nodes:
        every |= set(exporter_units(watched_site(), node))
    for node in settings.inventory.nodes:
        step = unmonitored_steps(settings, node)[0]
        assert isinstance(step, NoLeftoverUnits)
        needed = set(exporter_units(settings, node))
        needed |= set(SERVERS) if "monitoring" in node.roles else set()
        assert {one.unit for one in step.units} == every - needed, node.name
