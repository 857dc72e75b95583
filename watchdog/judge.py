"""Which processes hang. Pure.

Slow is not hung. A daemon on an overloaded machine wants a processor, or gets one now and then; to
kill it would make bad worse. Only a process that does nothing at all, though there is something to
do, is ended.
"""

from __future__ import annotations

from collections.abc import Iterable

from .processes import Processes


def silent(before: Processes, after: Processes) -> set[int]:
    """All processes of a unit that left a question unanswered from one moment to the other; none
    if any of them moved."""
    still = before == after and idle(after.keys(), after) == after.keys()
    return set(after) if still else set()


def stopped(before: Processes, after: Processes) -> set[int]:
    """Those that were stopped at both moments, also where others of the unit answer."""
    return {
        pid for pid in before.keys() & after.keys() if before[pid].stopped and after[pid].stopped
    }


def idle(pids: Iterable[int], seen: Processes) -> set[int]:
    """Those that neither run nor wait for a processor or a disk."""
    return {pid for pid in pids if not seen[pid].busy}


def masters(hung: set[int], everyone: Processes) -> set[int]:
    """Those that no other process of the unit has started: HAProxy's and nginx's masters."""
    return {pid for pid in hung if everyone[pid].parent not in everyone}
