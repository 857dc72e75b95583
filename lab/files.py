"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def replace_file(
    path: Path, content: str, mode: int = 0o644, owner: tuple[int, int] | None = None
) -> None:
    """Put `content` at `path` in one rename; `owner` is (uid, gid), ours when it is left out."""
    new = path.with_name(f"{path.name}.lab-new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT, mode), "w", encoding="utf-8") as file:
        file.write(content)
    new.chmod(mode)
    if owner:
        os.chown(new, *owner)
    new.rename(path)
