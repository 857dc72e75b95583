"""Errors of the lab, in three parts."""

from __future__ import annotations


class LabError(Exception):
    """An error that an operator can fix: the problem, why it matters, the next command."""

    def __init__(self, seen: str, why: str, next: str, code: int = 1) -> None:
        super().__init__(f"{seen}\n{why}\n{next}")
        self.seen, self.why, self.next, self.code = seen, why, next, code
