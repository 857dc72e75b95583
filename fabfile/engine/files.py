"""Files of this controller that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def write_beside(path: Path, mode: int = 0o666) -> Iterator[BinaryIO]:
    """A new file beside `path` that replaces it when the block ends, and goes when it raises.

    `mode` is what the file is made with, less the umask.

    Raises:
        OSError: it cannot be written.
    """
    # Two processes or threads may write the same file: each has a name of its own.
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            # Without it, a power cut after the rename can leave an empty file.
            file.flush()
            os.fsync(handle)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def replace_file(path: Path, content: str | bytes, mode: int | None = None) -> None:
    """Put `content` (text as UTF-8) at `path`, whole or not at all.

    Its permissions are `mode` exactly, or what the umask leaves of 0666.

    Raises:
        OSError: it cannot be written.
    """
    with write_beside(path, 0o666 if mode is None else mode) as file:
        if mode is not None:
            os.fchmod(file.fileno(), mode)
        file.write(content.encode() if isinstance(content, str) else content)
