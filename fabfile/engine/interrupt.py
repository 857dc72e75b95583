"""Handle Ctrl-C while hosts are being changed: the current step finishes, no other step starts."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_presses = 0
"""How often Ctrl-C was pressed since `defer` began."""


class Aborted(KeyboardInterrupt):
    """A second Ctrl-C: the current command may go on, on the host, without us."""


def check() -> None:
    """Raise KeyboardInterrupt if Ctrl-C was pressed.

    Call it where nothing is half-done: between steps, and while waiting.
    """
    if _presses:
        raise KeyboardInterrupt


def step_may_finish() -> bool:
    """Whether a KeyboardInterrupt now came from `check` (a first Ctrl-C), so that other threads
    may finish their steps."""
    return _presses == 1


@contextlib.contextmanager
def defer() -> Iterator[None]:
    """Within this context the first Ctrl-C only makes `check` raise; a second one raises Aborted at
    once."""
    global _presses
    # Python delivers signals to the main thread only, and allows a handler to be set only there.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous_handler = signal.signal(signal.SIGINT, _count_press)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous_handler)
        _presses = 0


@contextlib.contextmanager
def ignore_earlier() -> Iterator[None]:
    """Within this context `check` ignores a Ctrl-C from before, so that an undo runs to its end.

    A new Ctrl-C still makes `check` raise.
    """
    global _presses
    earlier, _presses = _presses, 0
    try:
        yield
    finally:
        _presses = max(earlier, _presses)


@contextlib.contextmanager
def protect_undo() -> Iterator[None]:
    """As `ignore_earlier`; a new Ctrl-C raises Aborted, because the undo may be incomplete."""
    try:
        with ignore_earlier():
            yield
    except KeyboardInterrupt:
        raise Aborted from None


def _count_press(number: int, frame: FrameType | None) -> None:
    global _presses
    _presses += 1
    if _presses > 1:
        raise Aborted
    # os.write: print() is not safe in a signal handler, it may interrupt another print.
    os.write(2, b"\nfinishing the current step; press Ctrl-C again to abort it\n")
