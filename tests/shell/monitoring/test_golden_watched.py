"""What a site with a monitoring host gets beyond the same site without one: the exact text.

After a change that is wanted: GOLDEN=write .venv/bin/pytest tests/shell/monitoring, then read `git
diff tests/shell/golden-watched`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import PROJECT
from samples import FACTS, MATERIAL, site, watched_site

from fabfile.engine.host import Node
from fabfile.engine.step import Step
from fabfile.roles.figures import FIGURES_TIMER
from fabfile.roles.monitoring import RULES
from fabfile.rollout.system import PHASES, System
from fabfile.settings.settings import Settings
from fabfile.steps.block import Block
from fabfile.steps.file import File

GOLDEN = PROJECT / "tests/shell/golden-watched"


def steps_of(settings: Settings, node: Node) -> list[Step]:
    """Every step of a host, in the order of a deploy."""
    system = System(settings, Path("/nonexistent/bingo"), FACTS, MATERIAL)
    return [step for phase in PHASES for step in system.steps(node, phase)]


def written_files(settings: Settings) -> Iterator[tuple[str, str]]:
    """Every file that a deploy writes, by host and path."""
    for node in settings.inventory.nodes:
        for step in steps_of(settings, node):
            if isinstance(step, File):
                yield f"{node.name}{step.path}", step.content
            elif isinstance(step, Block):
                yield f"{node.name}{step.path}", step.render_file("")


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """The files that monitoring adds or changes. (The rules are what promtool tests.)"""
    before = dict(written_files(site()))
    return {
        name: text
        for name, text in written_files(watched_site())
        if before.get(name) != text and not name.endswith(RULES)
    }


def test_the_texts_are_the_golden_ones(texts: dict[str, str]) -> None:
    if os.environ.get("GOLDEN") == "write":
        shutil.rmtree(GOLDEN, ignore_errors=True)
        for name, text in texts.items():
            (GOLDEN / name).parent.mkdir(parents=True, exist_ok=True)
            (GOLDEN / name).write_text(text)
    kept = {
        str(path.relative_to(GOLDEN)): path.read_text()
        for path in sorted(GOLDEN.rglob("*"))
        if path.is_file()
    }
    assert sorted(kept) == sorted(texts), "GOLDEN=write makes and removes golden files"
    for name, text in kept.items():
        assert texts[name] == text, name


def test_a_site_without_a_monitor_gets_no_exporter() -> None:
    names = [step.name for node in site().inventory.nodes for step in steps_of(site(), node)]
    assert not [name for name in names if "prometheus" in name or "mtail" in name]
    assert names.count("no leftover monitoring") == len(site().inventory.nodes)
    assert f"unit {FIGURES_TIMER}" not in names


def test_every_file_says_whose_it_is(texts: dict[str, str]) -> None:
    ours = [name for name in texts if "/etc/" in name or "/usr/lib/" in name]
    unmarked = {Path(name).name for name in ours if "ritten by the runbook" not in texts[name]}
    assert unmarked == {"words.tmpl"}, "a comment in it would go into every message"


def test_shellcheck_finds_nothing(texts: dict[str, str], tmp_path: Path) -> None:
    scripts = {name: text for name, text in texts.items() if text.startswith("#!/bin/sh")}
    assert len(scripts) == 6, "host-figures of each host"
    files = []
    for name, text in scripts.items():
        files.append(tmp_path / name.replace("/", "_"))
        files[-1].write_text(text)
    program = str(Path(sys.executable).parent / "shellcheck")
    done = subprocess.run([program, "-S", "warning", *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
