"""What can go wrong, in three parts: the problem, why it matters, what to type next."""

from __future__ import annotations

OK, FAILED, DIFFERS, LOCKED, UNREACHABLE, ROLLED_BACK = range(6)
INTERRUPTED = 130  # as a shell says of a program that SIGINT ended: 128 + 2
"""Exit codes of every task; stable, scripts rely on them."""


class RunbookError(Exception):
    """An end that an operator can cause or must know of; the menu prints it without a traceback.

    Args:
        problem: what is wrong, one sentence.
        why: why it matters or what was left alone.
        next: the command or action to take next.
        code: the exit code (see the constants above).
    """

    code = FAILED

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
    """The kernel says "No space left" also when the inodes are used up; `df -h` alone shows free
    space then."""
    if "no space left" not in problem.lower() or "df -i" in next:
        return next
    return f"df -h and df -i there   (space, and inodes){f'; then {next}' if next else ''}"


class Unreachable(RunbookError):
    """A host does not answer, or not as the one it was pinned as."""

    code = UNREACHABLE


class Locked(RunbookError):
    """Somebody else's deploy holds a host."""

    code = LOCKED


class Mutation(RunbookError):
    """A read-only link was asked to change something: a bug in a step, stopped before it did
    harm."""
