"""Folders that we make are open to those who must get in, whatever the host's umask is or was."""

from __future__ import annotations

from pathlib import Path

import pytest
from samples import FACTS, MATERIAL, NODES, SHA256, site
from steptools import script, sentence

from fabfile.engine.host import Node
from fabfile.engine.shell import Reading
from fabfile.rollout.system import PHASES, System
from fabfile.steps.file import Directory, File, Symlink
from fabfile.steps.release import Release

PACKAGES = (
    "/etc/haproxy",
    "/etc/nginx",
    "/etc/keepalived",
    "/etc/postgresql",
    "/etc/systemd/system",
)
"""Folders that Debian's packages make, with modes of their own."""


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.name)
def test_each_folder_of_ours_is_checked_before_something_is_put_there(node: Node) -> None:
    system = System(site(), Path("/nonexistent/bingo"), FACTS, MATERIAL)
    checked: set[str] = set()
    for step in (step for phase in PHASES for step in system.steps(node, phase)):
        if isinstance(step, Directory):
            checked.add(step.path)
        elif isinstance(step, Release):
            checked.add(step.folder)
            assert {step.root, f"{step.root}/releases"} <= checked
        elif isinstance(step, File | Symlink):
            folder = step.path.rpartition("/")[0]
            assert folder in checked or folder.startswith(PACKAGES), step.path


MODES = {
    "right": (f"{SHA256}  -\n755\n755\n", None),
    "closed folder": (
        f"{SHA256}  -\n750\n755\n",
        "open release 5e5e5e5e5e5e to the app's user (mode 755)",
    ),
    "closed binary": (
        f"{SHA256}  -\n755\n700\n",
        "open release 5e5e5e5e5e5e to the app's user (mode 755)",
    ),
    "absent, its folder closed": ("absent\n750\n", "upload release 5e5e5e5e5e5e (from its source)"),
}


@pytest.mark.parametrize(("out", "said"), MODES.values(), ids=MODES)
def test_a_release_that_an_umask_closed_is_opened(out: str, said: str | None) -> None:
    step = Release("/srv/app", Path("/nonexistent"), SHA256, "bingo")
    assert sentence(step, out) == said
    if said and said.startswith("open"):
        decided = step.decide(Reading(out, 0))
        assert (
            script(decided)
            == "chmod 0755 /srv/app/releases/5e5e5e5e5e5e /srv/app/releases/5e5e5e5e5e5e/bingo"
        )
