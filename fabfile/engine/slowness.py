"""Warn once about a host on which every command starts late, because all work there is slow."""

from __future__ import annotations

import re
import threading

from .errors import RunbookError
from .terminal import print_warning

SLOW = 2.0
"""Seconds from the login to the start of our script that cause a warning. sudo needs about 0.01."""

_warning = threading.Lock()
_warned: set[str] = set()


def warn_if_slow(name: str, seconds: float, output: str) -> None:
    """Print a warning on stderr if the host `name` is slow, once per process and host.

    Arguments as for `explain_slowness`.
    """
    if seconds < SLOW:
        return
    with _warning:
        if name in _warned:
            return
        _warned.add(name)
    print_warning(explain_slowness(name, seconds, output))


def explain_slowness(name: str, seconds: float, output: str) -> RunbookError:
    """Why scripts on the host `name` start `seconds` after the login.

    `output` is what sudo printed before the script started.
    """
    late = f"{name} takes {seconds:.0f} s to start each command, so all work there is slow"
    if unknown := re.search(r"unable to resolve host ([^\s:]+)", output):
        return RunbookError(
            f"{late}: its own name ({unknown[1]}) does not resolve, and sudo looks it up each time",
            next=f"on {name}, as root: echo '127.0.1.1 {unknown[1]}' >>/etc/hosts",
        )
    return RunbookError(
        f"{late}: sudo is slow to start there",
        next=(
            f"on {name}: time sudo -n true; time getent hosts $(hostname)   (its own name belongs"
            " in /etc/hosts)"
        ),
    )
