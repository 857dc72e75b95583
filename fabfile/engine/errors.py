"""Errors in three parts: the problem, why it matters, the next command; and the exit codes."""

from __future__ import annotations

OK, FAILED, DIFFERS, LOCKED, UNREACHABLE, ROLLED_BACK = range(6)
INTERRUPTED = 130  # the exit code that shells give to a program ended by SIGINT: 128 + 2
"""Exit codes of every task. They must stay stable: scripts rely on them."""


class RunbookError(Exception):
    """An expected failure, reported without a traceback.

    Args:
        problem: what is wrong, one sentence.
        why: why it matters, or what was not touched.
        next: the command or action to take next.
        code: the exit code (see the constants above).
    """

    code = FAILED
    incident = ""
    """The incident (`fab incident.NAME`) that fits; empty if the error does not show it."""

    def __init__(
        self, problem: str, why: str = "", next: str = "", code: int | None = None
    ) -> None:
        super().__init__(problem)
        self.problem, self.why, self.next = problem, why, _with_disk_hint(problem, next)
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return self.problem


def _with_disk_hint(problem: str, next: str) -> str:
    """`next` with `df -i` if a disk is full.

    The kernel reports "No space left" also when the inodes are used up. `df -h` alone then shows
    free space.
    """
    if "no space left" not in problem.lower() or "df -" in next:
        return next
    return f"df -h and df -i there   (space, and inodes){f'; then {next}' if next else ''}"


class Unreachable(RunbookError):
    """A host does not answer, or its host key is not the pinned one."""

    code = UNREACHABLE


class Locked(RunbookError):
    """Another run holds the lock of a host."""

    code = LOCKED


class Mutation(RunbookError):
    """A read-only link was used for a change. This is a bug in a step; nothing was sent."""
