"""File locks that a killed process cannot leave behind, and that leave no file behind."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .shell import say


@contextmanager
def held(path: Path, waiting_for: str) -> Iterator[int]:
    """Hold the lock file `path`; yields its descriptor. Says what it waits for if it has to.

    A child that inherits the descriptor keeps the lock for as long as it lives.
    """
    fd = _acquire(path, waiting_for)
    try:
        yield fd
    finally:
        path.unlink(missing_ok=True)
        os.close(fd)


def _acquire(path: Path, waiting_for: str) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for {waiting_for}")
            fcntl.flock(fd, fcntl.LOCK_EX)
        # The former holder unlinks the file: what we got may no longer be the one others see.
        if path.exists() and os.stat(path).st_ino == os.fstat(fd).st_ino:
            return fd
        os.close(fd)
