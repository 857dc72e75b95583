"""What a reading asks of all files at once gives the same answers as each file's own question."""

from __future__ import annotations

import getpass
import grp
import os
import subprocess
from pathlib import Path

import pytest

from fabfile.engine.shell import join_probes, split_readings
from fabfile.steps.file import Directory, File

OWNER = f"{getpass.getuser()}:{grp.getgrgid(os.getgid()).gr_name}"


def sh(script: str, **environment: str) -> str:
    """Its output, errors of the shell included."""
    environment = {"PATH": os.environ["PATH"], **environment}
    out, end = subprocess.PIPE, subprocess.STDOUT
    return subprocess.run(
        ["sh"], input=script, stdout=out, stderr=end, text=True, timeout=20, env=environment
    ).stdout


@pytest.fixture
def steps(tmp_path: Path) -> list[File | Directory]:
    """Right ones first, then: other content, other mode, none there, a folder in a file's place,
    and the reverse."""
    for name, text in (
        ("right", "a\n"),
        ("it's [a] $x", "b\n"),
        ("empty", ""),
        ("other", "x\n"),
        ("mode", "a\n"),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o644)
    (tmp_path / "mode").chmod(0o600)
    for name in ("folder", "in the way"):
        (tmp_path / name).mkdir(mode=0o755)
    files = {
        "right": "a\n",
        "it's [a] $x": "b\n",
        "empty": "",
        "other": "y\n",
        "mode": "a\n",
        "none": "",
        "in the way": "",
    }
    return [
        *(File(f"{tmp_path}/{name}", text, owner=OWNER) for name, text in files.items()),
        *(
            Directory(f"{tmp_path}/{name}", owner=OWNER)
            for name in ("folder", "right", "no folder")
        ),
    ]


def test_the_answers_are_those_of_the_probes_alone(steps: list[File | Directory]) -> None:
    alone = [sh(step.probe()) for step in steps]
    together = split_readings(
        sh(join_probes([step.probe() for step in steps], "#~x")), "#~x", len(steps)
    )
    assert [reading.out for reading in together] == alone
    right = [
        step.decide(reading) is None for step, reading in zip(steps[:6], together[:6], strict=True)
    ]
    assert right == [True, True, True, False, False, False]


def test_what_is_right_costs_two_processes_however_many_files(
    steps: list[File | Directory], tmp_path: Path
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("stat", "sha256sum"):
        real = subprocess.run(
            ["sh", "-c", f"command -v {tool}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        (tools / tool).write_text(f'#!/bin/sh\necho {tool} >>{tools}/calls\nexec {real} "$@"\n')
        (tools / tool).chmod(0o755)
    right = [
        step
        for step in steps
        if step.path.endswith(("/right", "$x", "/empty", "/folder")) and steps.index(step) != 8
    ]
    sh(join_probes([step.probe() for step in right], "#~x"), PATH=f"{tools}:{os.environ['PATH']}")
    assert len(right) == 4
    assert (tools / "calls").read_text() == "stat\nsha256sum\n"
