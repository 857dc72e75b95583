"""Modules of an earlier version leave the host; the current ones, and anybody else's, stay."""

from __future__ import annotations

import subprocess
from pathlib import Path

from steptools import script, sentence

from fabfile.engine.shell import Reading
from fabfile.settings.paths import OURS
from fabfile.steps.modules import NoOldModules


def read_folder(step: NoOldModules) -> str:
    done = subprocess.run(["sh", "-c", step.probe()], capture_output=True, text=True, check=True)
    return done.stdout


def test_only_old_modules_of_the_runbook_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "it's here"
    folder.mkdir()
    for name in ("run.py", "hands.py", "wire.py", "notes.txt"):
        (folder / name).write_text(f"# {OURS}.\n")
    (folder / "local.py").write_text("# not written by the runbook's owner\n")
    step = NoOldModules(str(folder), ("run.py", "restart.py"))
    seen = read_folder(step)
    assert sentence(step, seen) == f"remove hands.py, wire.py of an earlier version from {folder}"
    subprocess.run(["sh", "-c", script(step.decide(Reading(seen, 0)))], check=True)
    assert sorted(path.name for path in folder.iterdir()) == ["local.py", "notes.txt", "run.py"]
    assert sentence(step, read_folder(step)) is None


def test_a_folder_that_does_not_exist_yet_needs_nothing(tmp_path: Path) -> None:
    step = NoOldModules(str(tmp_path / "none"), ("run.py",))
    assert sentence(step, read_folder(step)) is None
