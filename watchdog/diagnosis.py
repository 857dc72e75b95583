"""Which processes hang. Pure.

A slow process is not hung. On an overloaded machine a daemon waits for a processor, or gets one now
and then; killing it would make the overload worse. So only a process that does nothing at all,
although a request waits, counts as hung.
"""

from __future__ import annotations

from collections.abc import Iterable

from .processes import Processes


def find_silent(before: Processes, after: Processes) -> set[int]:
    """Return all processes of a unit that did nothing while a request waited.

    `before` is from before the request, `after` from after its time-out. If a single process did
    anything in between, none is returned.
    """
    unchanged = before == after and find_idle(after.keys(), after) == after.keys()
    return set(after) if unchanged else set()


def find_stopped(before: Processes, after: Processes) -> set[int]:
    """Return the processes that were stopped at both moments, even if others of the unit answer."""
    return {
        pid for pid in before.keys() & after.keys() if before[pid].stopped and after[pid].stopped
    }


def find_idle(pids: Iterable[int], processes: Processes) -> set[int]:
    """Return those of `pids` that neither run nor wait for a processor or a disk."""
    return {pid for pid in pids if not processes[pid].busy}


def find_masters(hung: set[int], processes: Processes) -> set[int]:
    """Return those of `hung` that no process of the unit started: HAProxy's and nginx's masters."""
    return {pid for pid in hung if processes[pid].parent not in processes}
