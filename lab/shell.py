"""Running the machine's own tools, and saying what happens."""

from __future__ import annotations

import os
import subprocess
import sys

from .errors import LabError

# Where Debian keeps the tools; a user's own PATH leaves out half of it.
SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def environment() -> dict[str, str]:
    """This process's environment, with the tools in reach and their words in English."""
    return {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{SEARCH}", "LC_ALL": "C.UTF-8"}


def say(text: str) -> None:
    """One line of progress, on standard error: standard output belongs to results."""
    print(text, file=sys.stderr, flush=True)


def run(*argv: str, stdin: str = "", timeout: float = 60) -> str:
    """The command's output.

    Raises:
        LabError: it did not end with 0, or not within `timeout` seconds.
    """
    try:
        done = subprocess.run(
            argv,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=environment(),
            encoding="utf-8",
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        raise failed(argv, f"no end after {timeout:.0f} s") from None
    if done.returncode:
        raise failed(argv, (done.stderr or done.stdout).strip()[-600:] or f"exit {done.returncode}")
    return done.stdout


def succeeds(*argv: str) -> bool:
    """Whether the command ends with 0; its output is dropped."""
    return (
        subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, env=environment()
        ).returncode
        == 0
    )


def failed(argv: tuple[str, ...], words: str) -> LabError:
    """The error for a command that was expected to work."""
    return LabError(
        f"`{' '.join(argv)[:160]}` failed: {words}",
        "The lab cannot be made right without it.",
        "Fix that, then run again: inv lab.up (it repairs what is half done; inv lab.down"
        " removes it)",
    )
