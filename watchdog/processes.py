"""The processes of a systemd unit: whether each one runs, waits or is stopped, read from /proc."""

from __future__ import annotations

import os
from typing import NamedTuple

CGROUPS = "/sys/fs/cgroup/system.slice"


class Process(NamedTuple):
    """A process at one moment."""

    parent: int
    states: str
    """One letter for each thread, as in proc(5): R runs or waits for a processor, D waits for a
    disk, S sleeps, T is stopped."""
    switches: int
    """Context switches of all threads. A process that did anything has a higher count."""

    @property
    def stopped(self) -> bool:
        """Whether it was stopped (SIGSTOP): it does nothing until SIGCONT."""
        return "T" in self.states

    @property
    def busy(self) -> bool:
        """Whether it waits for a processor or a disk: slow perhaps, but not hung."""
        return "R" in self.states or "D" in self.states


Processes = dict[int, Process]
"""The processes of a unit, by process id."""


def read_unit_processes(unit: str) -> Processes:
    """Read all processes of `unit`; empty when it does not run."""
    try:
        with open(f"{CGROUPS}/{unit}/cgroup.procs", encoding="utf-8") as file:
            pids = [int(line) for line in file]
    except OSError:
        return {}
    return {pid: process for pid in pids if (process := _read_process(pid))}


def _read_process(pid: int) -> Process | None:
    """Read one process; None when it has just ended."""
    try:
        threads = [
            _read_status(f"/proc/{pid}/task/{thread}/status")
            for thread in os.listdir(f"/proc/{pid}/task")
        ]
        return Process(
            parent=int(threads[0]["PPid"]),
            states="".join(thread["State"][0] for thread in threads),
            switches=sum(_count_switches(thread) for thread in threads),
        )
    except (OSError, LookupError):
        return None


def _count_switches(thread: dict[str, str]) -> int:
    return int(thread["voluntary_ctxt_switches"]) + int(thread["nonvoluntary_ctxt_switches"])


def _read_status(path: str) -> dict[str, str]:
    with open(path, encoding="utf-8") as file:
        return {name: value.strip() for name, _, value in (line.partition(":") for line in file)}
