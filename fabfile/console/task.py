"""Run a task for an operator: print errors in three lines, set exit codes, and show no traceback
for errors that an operator can cause."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any

from invoke.exceptions import Exit

from ..engine import interrupt
from ..engine.errors import FAILED, INTERRUPTED, RunbookError
from ..engine.files import explain_local_file
from ..engine.scripts import listen, print_script
from ..engine.terminal import print_error, printable

JSON = {"json": "also write the result as JSON to this file (- for stdout)"}
"""The option `--json` of every task with a report, and its help."""

VERBOSE = {"verbose": "show each script as it ends: host, seconds, exit code (on stderr)"}
"""The option `--verbose`, which `run_as_task` handles, and its help."""


def name_follows(task: str, typed_words: Sequence[str]) -> bool:
    """Whether a name follows `task` on the command line.

    Invoke has no optional positional arguments. So a task declares its name as positional only if
    the operator has typed a name.
    """
    position = typed_words.index(task) + 1 if task in typed_words else 0
    return 0 < position < len(typed_words) and not typed_words[position].startswith("-")


def run_as_task(body: Callable[..., int | None]) -> Callable[..., None]:
    """Wrap the body of a task. Its return value becomes the exit code of the program.

    A RunbookError is printed in three lines, and its code becomes the exit code. With the option
    `verbose`, each script is shown on stderr when it ends.
    """

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
        except KeyboardInterrupt as stop:
            print_error(_explain_interrupt(stop))
            code = INTERRUPTED
        except BrokenPipeError:  # the reader of a pipe has ended (`| head`)
            sys.stderr.close()
            code = FAILED
        except OSError as error:
            if error.filename is None:  # not about a file: a bug, which needs its traceback
                raise
            print_error(explain_local_file(error, "the file is on this machine, not on a host"))
            code = FAILED
        if code:
            raise Exit(code=code)

    return task


def _explain_interrupt(stop: KeyboardInterrupt) -> RunbookError:
    if isinstance(stop, interrupt.Aborted):
        return RunbookError(
            "interrupted in the middle of a step",
            "its command may still run on the host; files are replaced in one rename, and the next"
            " deploy reads the host again before it changes anything",
            "fab status, then fab deploy",
        )
    return RunbookError(
        "interrupted",
        "the current step either finished or never started; nothing is half-written, and the locks"
        " are released",
        "fab plan   (shows what remains to be done), then fab deploy",
    )


def hosts_of(c: Any) -> list[str]:
    """The host names given by -H; an empty list under `inv`."""
    return list(c.config.get("hosts", None) or [])


def refuse_dry_run(c: Any, task: str) -> None:
    """Refuse --dry for a task that has no plan to show.

    Raises:
        RunbookError: --dry was given.
    """
    if is_dry(c):
        raise RunbookError(
            f"{task} has no dry run",
            "the task changes hosts, and it cannot show its changes first; nothing was done",
            f"{task} without --dry, or fab plan",
        )


def is_dry(c: Any) -> bool:
    """Whether --dry was given. A task with a plan then only shows its plan."""
    return bool(c.config.run.dry)
