"""What the lab's tests share: running commands, and the types of the fixtures."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from lab import ssh as lab_ssh
from lab.names import Lab

ROOT = Path(__file__).resolve().parents[2]


class Outcome(NamedTuple):
    """What a command printed and its exit code."""

    out: str
    err: str
    code: int


class Runner(Protocol):
    """Runs `fab` or `inv` from the project's root, on the session's lab."""

    def __call__(
        self, *args: str, timeout: float = 600, env: dict[str, str] | None = None
    ) -> Outcome: ...


class Ssh(Protocol):
    """Runs a POSIX shell script as root on a host of a lab."""

    def __call__(
        self, host: str, script: str, timeout: float = 120, check: bool = True
    ) -> Outcome: ...


def to(lab: Lab) -> Ssh:
    """The way to this lab's hosts."""

    def call(host: str, script: str, timeout: float = 120, check: bool = True) -> Outcome:
        outcome = run(
            [*lab_ssh.build_command(lab, host), "sudo -n sh -eu -s"], timeout, stdin=script
        )
        assert not check or outcome.code == 0, f"{host}: {script!r} ended with {outcome}"
        return outcome

    return call


@contextmanager
def as_current(lab: Lab) -> Iterator[Lab]:
    """Make it the lab that LAB names."""
    before = os.environ["LAB"]
    os.environ["LAB"] = str(lab.number)
    try:
        yield lab
    finally:
        os.environ["LAB"] = before


def run(
    argv: list[str], timeout: float, env: dict[str, str] | None = None, stdin: str = ""
) -> Outcome:
    """Run a command in the project's root."""
    done = subprocess.run(
        argv,
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **(env or {})},
    )
    return Outcome(done.stdout, done.stderr, done.returncode)
