"""What the edges get behind a balancer of the provider, and not with a floating address: exact
texts.

After a change that is wanted: GOLDEN=write .venv/bin/pytest tests/shell/control, then read `git
diff tests/shell/golden-balanced`.
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
from samples import FACTS, MATERIAL, balanced_site, site

from fabfile.control.external_balancer import LEAVE_TOOL
from fabfile.rollout.system import PHASES, System
from fabfile.settings.settings import Settings
from fabfile.steps.file import File

GOLDEN = PROJECT / "tests/shell/golden-balanced"


def written_files(settings: Settings) -> Iterator[tuple[str, str]]:
    """Every file that a deploy writes, by host and path."""
    system = System(settings, Path("/nonexistent/bingo"), FACTS, MATERIAL)
    for node in settings.inventory.nodes:
        for step in (step for phase in PHASES for step in system.steps(node, phase)):
            if isinstance(step, File):
                yield f"{node.name}{step.path}", step.content


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """The files that the balancer adds or changes."""
    before = dict(written_files(site()))
    written = written_files(balanced_site())
    return {name: text for name, text in written if before.get(name) != text}


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


def test_only_edges_differ_and_none_has_keepalived(texts: dict[str, str]) -> None:
    assert {name.partition("/")[0] for name in texts} == {"edge1", "edge2"}
    assert not [name for name, _ in written_files(balanced_site()) if "keepalived" in name]


def test_shellcheck_finds_nothing(texts: dict[str, str], tmp_path: Path) -> None:
    tool = tmp_path / "edge-leave"
    tool.write_text(texts[f"edge1{LEAVE_TOOL}"])
    program = str(Path(sys.executable).parent / "shellcheck")
    done = subprocess.run([program, "-S", "warning", tool], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
