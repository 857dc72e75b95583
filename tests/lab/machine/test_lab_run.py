"""The command `./run` where it cannot work: each refusal in three lines, nothing touched.

The script is the real one; only what it finds is arranged, in a mount namespace of its own.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from labtools import ROOT, Outcome, run

from lab.names import Lab

NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups"


def run_here(tmp_path: Path, arrange: str, command: str = "./run demo", **programs: str) -> Outcome:
    """Run `command` after the shell text `arrange`; `programs` stand before the real ones in
    PATH."""
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:3]:
        parent.chmod(parent.stat().st_mode | 0o055)
    for name, text in programs.items():
        path = tmp_path / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    script = f'set -e\nmount --make-rprivate /\n{arrange}\nPATH="{tmp_path}:$PATH"\nexec {command}'
    return run(["unshare", "--mount", "sh", "-c", script], 120)


def refusal(outcome: Outcome) -> tuple[str, str, str]:
    """The three parts of a refusal."""
    assert outcome.code == 1, outcome
    lines = outcome.err.splitlines()
    assert len(lines) == 3, outcome
    return lines[0], lines[1].removeprefix("  why it matters: "), lines[2].removeprefix("  next: ")


@pytest.mark.parametrize(
    ("release", "seen"),
    [
        (
            'ID=fedora\nVERSION_ID=40\nID_LIKE="debian"',
            "this is fedora 40, not Debian 12 or newer",
        ),
        ('ID=debian\nVERSION_ID="11"', "this is debian 11, not Debian 12 or newer"),
        ("", "this is an unknown system , not Debian 12 or newer"),
    ],
)
def test_other_systems_are_refused(lab: Lab, tmp_path: Path, release: str, seen: str) -> None:
    (tmp_path / "os-release").write_text(f"{release}\n")
    outcome = run_here(tmp_path, f"mount --bind {tmp_path}/os-release /etc/os-release")
    assert refusal(outcome)[0] == seen


def test_without_root_the_missing_packages_are_named(lab: Lab, tmp_path: Path) -> None:
    # Not where the project is: nobody may not look there.
    shutil.copy(ROOT / "run", tmp_path)
    (tmp_path / "lab").mkdir()
    shutil.copy(ROOT / "lab/packages", tmp_path / "lab")
    seen, why, todo = refusal(
        run_here(tmp_path, "", f"{NOBODY} {tmp_path}/run demo", dpkg_query="exit 1")
    )
    assert seen.startswith("missing Debian packages: ")
    assert "systemd-container mmdebstrap" in seen
    assert "not root" in why
    assert todo.startswith("as root: apt-get install ")


def test_a_full_disk_is_refused_before_anything_is_installed(lab: Lab, tmp_path: Path) -> None:
    full = "echo Filesystem; echo none 9999999 7902848 2097152 80% /"
    outcome = run_here(tmp_path, "", dpkg_query="exit 1", apt_get="exit 99", df=full)
    assert refusal(outcome) == (
        "the disk of /var has 2 GiB free",
        "3 GiB are needed there",
        "make room, then: ./run demo",
    )


def test_an_old_python_is_refused(lab: Lab, tmp_path: Path) -> None:
    old = dict.fromkeys(("python3", "python3.11", "python3.12", "python3.13"), "exit 1")
    outcome = run_here(tmp_path, "", dpkg_query="echo 'ii '", **old)
    assert refusal(outcome)[0] == "there is no Python 3.11 or newer with venv"


def test_what_apt_cannot_install_ends_it(lab: Lab, tmp_path: Path) -> None:
    outcome = run_here(tmp_path, "", dpkg_query="exit 1", apt_get="exit 100")
    assert outcome.code == 1
    assert "apt-get could not install: systemd-container" in outcome.err.replace(
        " python3 python3-venv", ""
    )


def test_unknown_commands_show_how_it_is_used(lab: Lab, tmp_path: Path) -> None:
    outcome = run_here(tmp_path, "", "./run everything")
    assert outcome.code == 1
    assert outcome.err.startswith("usage: ./run demo ")
    assert run_here(tmp_path, "", "./run --help").out == outcome.err
