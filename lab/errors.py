"""Errors of the lab, in three parts as everywhere in this project."""

from __future__ import annotations


class LabError(Exception):
    """An expected failure, reported without a traceback.

    `problem` is what is wrong, `why` why it matters, `next` the command to run or the action to
    take, `code` the exit code.
    """

    def __init__(self, problem: str, why: str, next: str, code: int = 1) -> None:
        super().__init__(f"{problem}\n{why}\n{next}")
        self.problem = problem
        self.why = why
        self.next = next
        self.code = code
