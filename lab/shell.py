"""Running the machine's own tools, and reporting progress."""

from __future__ import annotations

import os
import subprocess
import sys

from .errors import LabError

SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where Debian has the tools; a user's own PATH lacks the sbin folders."""


def tool_environment() -> dict[str, str]:
    """Return this process's environment with SEARCH in its PATH, and with English messages."""
    return {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{SEARCH}", "LC_ALL": "C.UTF-8"}


def report(text: str) -> None:
    """Print one line of progress on standard error: standard output is for results."""
    print(text, file=sys.stderr, flush=True)


def run(*argv: str, stdin: str = "", timeout: float = 60) -> str:
    """Run a command; return its output.

    Raises:
        LabError: it failed, or did not end within `timeout` seconds.
    """
    try:
        done = subprocess.run(
            argv,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=tool_environment(),
            encoding="utf-8",
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        raise command_error(argv, f"it did not end within {timeout:.0f} s") from None
    if done.returncode:
        raise command_error(
            argv, (done.stderr or done.stdout).strip()[-600:] or f"exit {done.returncode}"
        )
    return done.stdout


def succeeds(*argv: str) -> bool:
    """Return whether the command succeeds; its output is dropped."""
    return (
        subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, env=tool_environment()
        ).returncode
        == 0
    )


def command_error(argv: tuple[str, ...], output: str) -> LabError:
    """Return the error for a command that should have worked."""
    return LabError(
        f"`{' '.join(argv)[:160]}` failed: {output}",
        "the lab needs this command",
        "fix that, then: inv lab.up   (it repairs what is half done; inv lab.down removes it)",
    )
