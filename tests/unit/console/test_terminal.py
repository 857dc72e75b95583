"""Whatever the locale: people read something legible, machines read UTF-8."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from places import PROJECT

from fabfile.engine.terminal import PLAIN

BODY = """
import fabfile
from fabfile.console.task import print_error
from fabfile.engine.errors import RunbookError
from fabfile.console.rollup import open_console
open_console().print("✗ drained · p90 ≤ 400 ms … Köln €")
print_error(RunbookError("«Köln» does not answer", "2 × tried", "fab status"))
"""


def run(encoding: str) -> tuple[str, str]:
    """Both streams of a process whose terminal has `encoding`."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONIOENCODING": encoding,
        "PYTHONPATH": str(PROJECT),
        "COLUMNS": "80",
    }
    done = subprocess.run(
        [sys.executable, "-c", BODY], capture_output=True, env=environment, check=True
    )
    name = encoding.partition(":")[0]
    return done.stdout.decode(name), done.stderr.decode(name)


@pytest.mark.parametrize(
    ("encoding", "out", "err"),
    [
        (
            "utf-8",
            "✗ drained · p90 ≤ 400 ms … Köln €\n",
            "✗ «Köln» does not answer\n  why  2 × tried\n  next fab status\n",
        ),
        (
            "iso-8859-1",
            "x drained · p90 < 400 ms . Köln ?\n",
            "x «Köln» does not answer\n  why  2 × tried\n  next fab status\n",
        ),
        (
            "ascii",
            "x drained - p90 < 400 ms . K?ln ?\n",
            'x "K?ln" does not answer\n  why  2 x tried\n  next fab status\n',
        ),
        (
            "ascii:strict",
            "x drained - p90 < 400 ms . K?ln ?\n",
            'x "K?ln" does not answer\n  why  2 x tried\n  next fab status\n',
        ),
        (
            "koi8-r",
            "x drained · p90 ≤ 400 ms . K?ln ?\n",
            'x "K?ln" does not answer\n  why  2 x tried\n  next fab status\n',
        ),
    ],
)
def test_signs_that_a_terminal_does_not_have(encoding: str, out: str, err: str) -> None:
    assert run(encoding) == (out, err)


def test_json_on_stdout_is_utf_8_in_every_locale() -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONIOENCODING": "ascii",
        "PYTHONPATH": str(PROJECT),
    }
    body = (
        "from fabfile.console.json_file import write_json\nimport fabfile\n"
        'write_json({"who": "Jürgen'
        ' ✗"}, "-")'
    )
    done = subprocess.run(
        [sys.executable, "-c", body], capture_output=True, env=environment, check=True
    )
    assert json.loads(done.stdout.decode("utf-8")) == {"schema": 2, "who": "Jürgen ✗"}


def test_columns_stay_in_line() -> None:
    assert all(len(plain) == 1 and plain.isascii() for plain in map(chr, PLAIN.values()))


def test_a_closed_or_foreign_stdout_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from fabfile.engine.terminal import accept_any_encoding

    for stream in (None, io.StringIO()):
        monkeypatch.setattr(sys, "stdout", stream)
        accept_any_encoding()


@pytest.mark.parametrize(
    ("json", "code", "error"),
    [
        ("None", 0, "! standard output: no space left on device"),
        ("'-'", 1, "✗ standard output cannot be written: No space left on device"),
    ],
)
def test_a_full_disk_behind_stdout(json: str, code: int, error: str) -> None:
    """A task goes on without its text, but the JSON that was asked for is an error."""
    body = f"""
import sys
from fabfile.console.json_file import write_json
from fabfile.console.rollup import open_console
from fabfile.console.task import run_as_task
from invoke.exceptions import Exit

@run_as_task
def task():
    for _ in range(3):
        open_console({json}).print("progress")
    write_json({{"a": 1}}, {json})

try:
    task()
except Exit as end:
    sys.exit(end.code)
"""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), "COLUMNS": "99"}
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", body],
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
        )
    lines = [line for line in done.stderr.splitlines() if line[:2] != "  "]
    assert [line for line in lines if line != "progress"] == [error]
    assert done.returncode == code


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "words", [("fab", "--list"), ("inv", "--list"), ("fab", "--help", "check")]
)
def test_a_reader_that_leaves_early_is_no_error(words: tuple[str, ...], unbuffered: str) -> None:
    """`fab --list | head -3`. Unbuffered, the first print fails, else the flush at the end."""
    reader, writer = os.pipe()
    os.close(reader)
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(
        [Path(sys.executable).with_name(words[0]), *words[1:]],
        cwd=PROJECT,
        env=environment,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    assert done.stderr == ""
    assert done.returncode in (0, 1)
