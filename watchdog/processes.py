"""The processes of a systemd unit: whether each one runs, waits or is stopped, read from /proc."""

from __future__ import annotations

import os
from typing import NamedTuple

CGROUPS = "/sys/fs/cgroup/system.slice"


class Process(NamedTuple):
    """A process at one moment.

    `states` has one letter for each thread, as in proc(5): R runs or wants to, D waits for a disk,
    S sleeps, T was stopped. `switches` counts how often any of its threads got or gave up a
    processor: a process that did anything has a higher count.
    """

    parent: int
    states: str
    switches: int

    @property
    def stopped(self) -> bool:
        """Somebody stopped it (SIGSTOP); it does nothing until somebody continues it."""
        return "T" in self.states

    @property
    def busy(self) -> bool:
        """It wants a processor or waits for a disk: slow, perhaps, but it does not hang."""
        return "R" in self.states or "D" in self.states


Processes = dict[int, Process]
"""The processes of a unit, by number."""


def of_unit(unit: str) -> Processes:
    """All processes of `unit`; empty when it does not run."""
    try:
        with open(f"{CGROUPS}/{unit}/cgroup.procs", encoding="utf-8") as file:
            pids = [int(line) for line in file]
    except OSError:
        return {}
    return {pid: process for pid in pids if (process := _read(pid))}


def _read(pid: int) -> Process | None:
    """None when it has just ended."""
    try:
        threads = [
            _status(f"/proc/{pid}/task/{thread}/status")
            for thread in os.listdir(f"/proc/{pid}/task")
        ]
        return Process(
            int(threads[0]["PPid"]),
            "".join(thread["State"][0] for thread in threads),
            sum(
                int(thread[f"{kind}_ctxt_switches"])
                for thread in threads
                for kind in ("voluntary", "nonvoluntary")
            ),
        )
    except (OSError, LookupError):
        return None


def _status(path: str) -> dict[str, str]:
    with open(path, encoding="utf-8") as file:
        return {name: value.strip() for name, _, value in (line.partition(":") for line in file)}
