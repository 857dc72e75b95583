"""Writing a file in one step."""

from __future__ import annotations

import os
from pathlib import Path


def replace_file(
    path: Path, content: str, mode: int = 0o644, owner: tuple[int, int] | None = None
) -> None:
    """Write `content` to `path` in one rename, so that nobody reads half a file.

    `owner` is (uid, gid); by default this process's user.
    """
    new = path.with_name(f"{path.name}.lab-new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT, mode), "w", encoding="utf-8") as file:
        file.write(content)
    new.chmod(mode)
    if owner:
        os.chown(new, *owner)
    new.rename(path)
