"""The edge between a task and its operator: errors in three lines, exit codes, no tracebacks for
what an operator can cause."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any

from invoke.exceptions import Exit

from ..engine import interrupt
from ..engine.errors import FAILED, INTERRUPTED, RunbookError
from ..engine.scripts import listen, print_script
from ..engine.terminal import print_error, printable

JSON = {"json": "also write the result as JSON to this file (- for stdout)"}
"""The help of the option that every reporting task has."""

VERBOSE = {"verbose": "show each script as it ends: host, seconds, exit code (on stderr)"}
"""The help of the option that `run_as_task` acts upon."""


def name_follows(task: str, typed_words: Sequence[str]) -> bool:
    """Whether the task was typed with a name behind it. Invoke knows no optional positional
    argument: where a task's name may be left out, it is positional only when it is there."""
    position = typed_words.index(task) + 1 if task in typed_words else 0
    return 0 < position < len(typed_words) and not typed_words[position].startswith("-")


def run_as_task(body: Callable[..., int | None]) -> Callable[..., None]:
    """Wrap a task's body: its return value becomes the exit code, a RunbookError three lines and
    its own code. With the option `verbose`, each script shows on stderr as it ends."""

    @functools.wraps(body)
    def task(*args: Any, **kwargs: Any) -> None:
        if "reason" in kwargs:
            kwargs["reason"] = printable(kwargs["reason"])
        try:
            with listen(print_script) if kwargs.get("verbose") else contextlib.nullcontext():
                code = body(*args, **kwargs)
        except RunbookError as error:
            print_error(error)
            code = error.code
        except interrupt.Aborted:
            print_error(
                RunbookError(
                    "interrupted in the middle of a step",
                    "its command may still run on the host; files are replaced in one rename, and"
                    " the next deploy reads first",
                    "fab status, then fab deploy",
                )
            )
            code = INTERRUPTED
        except KeyboardInterrupt:
            print_error(
                RunbookError(
                    "interrupted",
                    "the current step either finished or never started; nothing is half-written,"
                    " the locks are released",
                    "fab plan   (what is left to do), then fab deploy",
                )
            )
            code = INTERRUPTED
        except BrokenPipeError:  # `| head`
            sys.stderr.close()
            code = FAILED
        except OSError as error:
            if error.filename is None:
                raise
            print_error(_own_file(error))
            code = FAILED
        if code:
            raise Exit(code=code)

    return task


def _own_file(error: OSError) -> RunbookError:
    """A file of this machine that cannot be read or written: a full disk, another user's folder."""
    said = (error.strerror or str(error)).lower()
    return RunbookError(
        f"{error.filename}: {said}",
        "it is a file of this machine, not of a host",
        f"ls -ld {error.filename}; df -h .; df -i .",
    )


def hosts_of(c: Any) -> list[str]:
    """The names given by -H; none under `inv`."""
    return list(c.config.get("hosts", None) or [])


def not_dry(c: Any, task: str) -> None:
    """Refuse --dry for a task that has no plan to show.

    Raises:
        RunbookError: --dry was given.
    """
    if is_dry(c):
        raise RunbookError(
            f"{task} has no dry run",
            "it would have changed hosts; nothing was done",
            f"{task} without --dry, or fab plan",
        )


def is_dry(c: Any) -> bool:
    """Whether --dry was given: then every task behaves as its plan."""
    return bool(c.config.run.dry)
