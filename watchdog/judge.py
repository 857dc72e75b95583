"""Which processes hang. Pure.

Slow is not hung. A daemon on an overloaded machine wants a processor, or gets one now and then; to kill it would make bad
worse. Only who does nothing at all, though there is something to do, is ended.
"""

from __future__ import annotations

from .processes import Processes


def silent(before: Processes, after: Processes) -> set[int]:
    """All processes of a unit that has not answered a question, asked between the two moments; none if any of them moved."""
    still = before == after and not any(process.busy for process in after.values())
    return set(after) if still else set()


def stopped(before: Processes, after: Processes) -> set[int]:
    """Those that were stopped at both moments, also where others of the unit answer."""
    return {pid for pid, process in after.items() if process.stopped and pid in before and before[pid].stopped}


def main_processes(hung: set[int], all_of_them: Processes) -> set[int]:
    """Those that no other process of the unit has started: HAProxy's and nginx's masters."""
    return {pid for pid in hung if all_of_them[pid].parent not in all_of_them}
