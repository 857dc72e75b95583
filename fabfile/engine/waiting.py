"""Wait for a condition, with a time limit."""

from __future__ import annotations

import time
from collections.abc import Callable

from . import interrupt


def wait_until(condition: Callable[[], bool], *, seconds: float, every: float = 0.1) -> bool:
    """Poll `condition` until it is true; False if a poll that began after `seconds` was false.

    `every` is the pause between polls in seconds. Ctrl-C ends the wait.
    """
    deadline = time.monotonic() + seconds
    while True:
        # The start of the poll counts: on a slow host one answer can take longer than `seconds`,
        # and then it shows the state from before the deadline.
        poll_started = time.monotonic()
        if condition():
            return True
        if poll_started >= deadline:
            return False
        interrupt.check()
        time.sleep(every)
