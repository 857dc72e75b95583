"""What the tests of the lab itself share: labs for rough handling, and what is left of one on
this machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from labtools import ROOT, Outcome, as_current, to

from lab import container, hosts, mounts
from lab.names import Lab


@pytest.fixture(scope="module")
def own(lab: Lab) -> Iterator[Lab]:
    """A lab for this module's rough handling: the session's belongs to the tests of the service."""
    with as_current(Lab(lab.number + 1)) as own:
        hosts.down()
        hosts.up(deaths="off", scale=0.1)
        yield own
        hosts.down()


@pytest.fixture
def spare(own: Lab) -> Iterator[Lab]:
    """One more, not up; removed afterwards."""
    with as_current(Lab(own.number + 1)) as spare:
        hosts.down()
        yield spare
        hosts.down()


def ssh(lab: Lab, host: str, script: str, check: bool = True) -> Outcome:
    """Run a POSIX shell script as root on a host."""
    return to(lab)(host, script, check=check)


def remains(lab: Lab) -> list[str]:
    """Everything of the lab that is on this machine now."""
    found = [f"process of {name}" for name in container.list_running_hosts(lab)] + [
        str(path) for path in _cgroups(lab)
    ]
    found += [f"mount {point}" for point in mounts.list_mounts_below(lab.folder)]
    found += [
        f"link {name}"
        for name in os.listdir("/sys/class/net")
        if re.fullmatch(rf"(vb-)?{lab.bridge}(-.*)?", name)
    ]
    found += [str(path) for path in Path("/run/systemd/nspawn").glob(f"*/{lab.bridge}-*")]
    tables = subprocess.run(
        ["nft", "list", "tables"], capture_output=True, text=True, check=True
    ).stdout
    found += [line for line in tables.splitlines() if line.split()[-1] == lab.bridge]
    return found + [str(path) for path in (lab.folder, Path(f"{lab.folder}.lock")) if path.exists()]


def _cgroups(lab: Lab) -> list[Path]:
    return [
        tree / lab.bridge for tree in container.list_cgroup_trees() if (tree / lab.bridge).exists()
    ]


def start_lab(lab: Lab, *args: str) -> subprocess.Popen[bytes]:
    """`lab ARGS` as a process of its own, to be killed at will."""
    return subprocess.Popen(
        [sys.executable, "-m", "lab", *args],
        cwd=ROOT,
        env={**os.environ, "LAB": str(lab.number)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
