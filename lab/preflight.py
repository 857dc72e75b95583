"""Checks that this machine can run a lab, before anything is changed."""

from __future__ import annotations

import shutil
from pathlib import Path

from . import container, network
from .errors import LabError
from .names import CACHE, STATE, Lab
from .shell import SEARCH

LIST = Path(__file__).with_name("packages")
SPACE = 3.0
"""GiB for the image and for five disks with a seeded database."""


def check_machine(lab: Lab) -> None:
    """Check system, tools, cgroups, disk space and subnet.

    Raises:
        LabError: this machine cannot run a lab; the error holds the reason.
    """
    refuse_other_systems()
    refuse_missing_tools()
    if not container.has_cgroups():
        raise LabError(
            "there is no version 2 cgroup tree on /sys/fs/cgroup",
            "systemd inside the hosts does not start without it",
            "in a container: start it with its own writable cgroups (--privileged"
            " --cgroupns=private)",
        )
    for folder in (STATE, CACHE):
        refuse_full_disk(folder)
    network.refuse_foreign_subnet(lab)


def refuse_other_systems() -> None:
    if not Path("/etc/debian_version").exists():
        raise LabError(
            "this is not a Debian machine",
            "the lab installs its hosts from the machine's Debian mirror",
            "run it on Debian 12 or 13; a virtual machine will do",
        )


def parse_packages(text: str) -> dict[str, str]:
    """Parse the list of packages: each package with a command that it contains."""
    lines = (line.partition("#")[0].split() for line in text.splitlines())
    return {line[0]: line[1] for line in lines if line}


def refuse_missing_tools() -> None:
    wanted = parse_packages(LIST.read_text(encoding="utf-8"))
    missing = [
        name for name, tool in wanted.items() if tool != "-" and not shutil.which(tool, path=SEARCH)
    ]
    if missing:
        raise LabError(
            f"missing packages: {', '.join(missing)}",
            "the lab uses their commands",
            f"./run demo installs them; or: apt-get install {' '.join(missing)}",
        )


def refuse_full_disk(folder: Path) -> None:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free / 2**30
    if free < SPACE:
        raise LabError(
            f"{folder} has {free:.1f} GiB free",
            f"a lab needs {SPACE:.0f} GiB there for its image, disks and database",
            "make room (inv lab.down removes a lab), then: inv lab.up",
        )
