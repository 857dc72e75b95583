"""Write files of this controller: whole or not at all, and say clearly why a file cannot be
written."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .errors import RunbookError
from .shell import q


@contextlib.contextmanager
def name_in_errors(path: Path) -> Iterator[None]:
    """Let an OSError of the block name `path`.

    An error of write() names no file, as on a full disk, and nobody knows the name of a temporary
    file.
    """
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


def explain_local_file(error: OSError, why: str) -> RunbookError:
    """The error for the file of this machine that `error` names; `why` says what that means."""
    path = Path(str(error.filename))
    reason = (error.strerror or str(error)).lower()
    there = next((parent for parent in path.absolute().parents if parent.is_dir()), path)
    folder = q(str(there))
    advice = f"ls -ld {q(str(path))}; findmnt -T {folder}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        advice = f"df -h {folder}; df -i {folder}"
    return RunbookError(f"{path}: {reason}", why, advice)


@contextlib.contextmanager
def write_beside(path: Path, mode: int = 0o666) -> Iterator[BinaryIO]:
    """A new file that replaces `path` when the block ends, and is removed if the block raises.

    The file is created with `mode`, less the umask.

    Raises:
        OSError: the file cannot be written.
    """
    # A random name: two processes or threads may write the same file at the same time.
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    with name_in_errors(path):
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                # Without fsync, a power cut after the rename can leave an empty file.
                file.flush()
                os.fsync(handle)
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


def replace_file(path: Path, content: str | bytes, mode: int | None = None) -> None:
    """Write `content` (text as UTF-8) to `path`, whole or not at all.

    The permissions become exactly `mode`; without a mode, 0666 less the umask.

    Raises:
        OSError: the file cannot be written.
    """
    with write_beside(path, 0o666 if mode is None else mode) as file:
        if mode is not None:
            os.fchmod(file.fileno(), mode)
        file.write(content.encode() if isinstance(content, str) else content)


def create_secret(path: Path, text: str = "") -> None:
    """Write a new secret to `path`, which only its owner can read: `text`, or a random password.

    Raises:
        OSError: `path` exists, or it cannot be written; then it does not exist.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # O_EXCL: of two processes that start together, only one makes the password.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(f"{text or secrets.token_urlsafe(24)}\n")
    except OSError:  # a full disk; the next run would read an empty password
        path.unlink()
        raise
