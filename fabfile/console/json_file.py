"""Reports for machines: JSON in a file or on stdout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..engine.document import to_document
from ..engine.errors import RunbookError
from ..engine.files import replace_file
from ..engine.terminal import write_utf8


def write_json(data: Mapping[str, Any], path: str | None, *, option: str = "--json") -> None:
    """Write `data` to `path` (`-` is stdout; None is nowhere), with its schema, secrets masked.

    A file is replaced in one rename, so nobody reads half of it.

    `option` is the one that named the path.

    Raises:
        RunbookError: the file cannot be written.
    """
    if path is None:
        return
    text = to_document(data)
    if path == "-":
        write_utf8(text)
        return
    target = Path(path)
    try:
        if target.exists() and not target.is_file():  # /dev/stderr, a pipe: nothing to rename
            target.write_text(text, encoding="utf-8")
        else:
            replace_file(target.resolve(), text)
    except OSError as error:
        raise RunbookError(
            f"{path} cannot be written: {error.strerror}",
            "the report is lost",
            f"give {option} another path",
        ) from None
