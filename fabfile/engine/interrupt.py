"""Ctrl-C while hosts are being changed: the step in hand is finished, no other is begun."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_asked = 0


class BrokenOff(KeyboardInterrupt):
    """A second Ctrl-C: what was in hand may go on, on the host, without us."""


def check() -> None:
    """Raise KeyboardInterrupt if Ctrl-C was pressed: called where nothing is half-done (between
    steps, while waiting)."""
    if _asked:
        raise KeyboardInterrupt


def patient() -> bool:
    """Whether a KeyboardInterrupt now came from `check`, so that what other threads have in hand
    may be finished."""
    return _asked == 1


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """While this lasts, the first Ctrl-C only makes `check` raise; a second one breaks off at
    once, as usual."""
    global _asked
    if (
        threading.current_thread() is not threading.main_thread()
    ):  # only there can signals be handled
        yield
        return
    before = signal.signal(signal.SIGINT, _note_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        _asked = 0


@contextlib.contextmanager
def forgotten() -> Iterator[None]:
    """While this lasts, a Ctrl-C from before does not make `check` raise: what mends things runs
    to its end. One from now on does."""
    global _asked
    before, _asked = _asked, 0
    try:
        yield
    finally:
        _asked = max(before, _asked)


@contextlib.contextmanager
def mending() -> Iterator[None]:
    """As `forgotten`; a Ctrl-C that comes meanwhile ends as BrokenOff, for something may not
    have been put back."""
    try:
        with forgotten():
            yield
    except KeyboardInterrupt:
        raise BrokenOff from None


def _note_interrupt(number: int, frame: FrameType | None) -> None:
    global _asked
    _asked += 1
    if _asked > 1:
        raise BrokenOff
    os.write(2, b"\nfinishing the current step; Ctrl-C again to break it off\n")
