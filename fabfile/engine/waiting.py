"""One way to wait for a condition."""

from __future__ import annotations

import time
from collections.abc import Callable

from . import interrupt


def wait_until(condition: Callable[[], bool], *, seconds: float, every: float = 0.1) -> bool:
    """Poll `condition` until it holds (true), or did not when asked after `seconds` (false). Ctrl-C
    ends it.

    On a slow host one answer may take longer than `seconds`, and be older than what is waited for.
    """
    end = time.monotonic() + seconds
    while True:
        asked = time.monotonic()
        if condition():
            return True
        if asked >= end:
            return False
        interrupt.check()
        time.sleep(every)
