"""A host on which every command begins late: said once, for whatever is done there takes as much
longer."""

from __future__ import annotations

import re
import threading

from .errors import RunbookError
from .secret import mask_secrets

SLOW = 2.0
"""Seconds from the login to the begin of our script that are worth a sentence; sudo needs 0.01."""

_warning = threading.Lock()
_warned: set[str] = set()


def warn_once(name: str, seconds: float, words: str) -> None:
    """Print what there is to say of the host `name` on stderr, once in a process. Arguments as
    for `explain`."""
    if seconds < SLOW:
        return
    with _warning:
        if name in _warned:
            return
        _warned.add(name)
    from rich.console import Console
    from rich.text import Text

    console, warning = (
        Console(stderr=True, soft_wrap=True, highlight=False),
        explain(name, seconds, words),
    )
    console.print(Text(f"! {mask_secrets(warning.problem)}", "yellow"))
    console.print(Text("  next ", "dim") + Text(mask_secrets(warning.next)))


def explain(name: str, seconds: float, words: str) -> RunbookError:
    """Why scripts on the host `name` begin `seconds` after the login; `words` is what sudo said
    meanwhile."""
    late = f"{name} takes {seconds:.0f} s to begin each command, so all work there is slow"
    if unknown := re.search(r"unable to resolve host ([^\s:]+)", words):
        return RunbookError(
            f"{late}: its own name ({unknown[1]}) does not resolve, and sudo asks for it each time",
            next=f"on {name}, as root: echo '127.0.1.1 {unknown[1]}' >>/etc/hosts",
        )
    return RunbookError(
        f"{late}: sudo is slow to start there",
        next=(
            f"on {name}: time sudo -n true; time getent hosts $(hostname)   (its own name belongs"
            " in /etc/hosts)"
        ),
    )
