"""File locks: the kernel releases the lock of a killed process, and no lock file stays behind."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .names import STATE, Lab, current_lab
from .shell import report


@contextmanager
def hold_lock(path: Path, waiting_for: str) -> Iterator[int]:
    """Hold the lock file `path`; yield its descriptor.

    If somebody else holds it, report that this process waits for `waiting_for`. A child that
    inherits the descriptor holds the lock until it ends.
    """
    fd = _acquire_lock(path, waiting_for)
    try:
        yield fd
    finally:
        path.unlink(missing_ok=True)
        os.close(fd)


def _acquire_lock(path: Path, waiting_for: str) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"waiting for {waiting_for}")
            fcntl.flock(fd, fcntl.LOCK_EX)
        # The previous holder removes the file: this lock may be on a removed file.
        if path.exists() and os.stat(path).st_ino == os.fstat(fd).st_ino:
            return fd
        os.close(fd)


@contextmanager
def lock_lab() -> Iterator[Lab]:
    """Yield the current lab; no other command can change it meanwhile."""
    lab = current_lab()
    os.umask(0o022)  # the hosts' users must be able to enter these folders
    with hold_lock(STATE / f"{lab.number}.lock", f"another command on lab {lab.number}"):
        yield lab
