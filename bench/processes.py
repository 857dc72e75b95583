"""A process run to its end, and what it took."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent
BIN = Path(sys.executable).parent


class TimedRun(NamedTuple):
    """One finished process: wall seconds, and the peak memory of its largest process in MB."""

    seconds: float
    megabytes: float


class Contender(NamedTuple):
    """A command to be timed; after its first run it has nothing left to do."""

    name: str
    command: list[str]
    environment: dict[str, str] | None = None


def run_once(contender: Contender) -> TimedRun:
    """Run it to its end.

    Raises:
        SystemExit: it failed; its output says why.
    """
    started = time.perf_counter()
    with subprocess.Popen(
        contender.command,
        cwd=PROJECT,
        env={**os.environ, **(contender.environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout
        output = process.stdout.read().decode(errors="replace")
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(
            f"{' '.join(contender.command)} ended with {process.returncode}:\n{output[-2000:]}"
        )
    return TimedRun(time.perf_counter() - started, usage.ru_maxrss / 1024)
