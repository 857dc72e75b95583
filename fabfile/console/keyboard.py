"""Read single keys from the terminal while a task runs."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def listen_for_keys(pressed: Callable[[str], None]) -> Iterator[None]:
    """Within this context, call `pressed` from another thread with each key typed, without Enter.
    Ctrl-C works as ever. If stdin is no terminal, nothing is read."""
    if not sys.stdin.isatty():
        yield
        return
    import termios
    import tty

    terminal = sys.stdin.fileno()
    usual = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    threading.Thread(target=_read_keys, args=(terminal, pressed), daemon=True).start()
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, usual)


def _read_keys(terminal: int, pressed: Callable[[str], None]) -> None:
    # os.read, not sys.stdin.read: the thread still waits in it when Python ends, and a thread that
    # holds the lock of stdin then crashes Python.
    while key := os.read(terminal, 1):
        pressed(key.decode(errors="replace"))
