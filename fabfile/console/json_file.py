"""Write a report for machines as JSON, into a file or to stdout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..engine.document import to_document
from ..engine.errors import RunbookError
from ..engine.files import replace_file
from ..engine.terminal import write_utf8


def write_json(data: Mapping[str, Any], path: str | None, *, option: str = "--json") -> None:
    """Write `data` with its schema number to `path`, secrets masked.

    A file is replaced in one rename, so no reader sees half of it.

    Args:
        path: `-` means stdout; None means do not write.
        option: the command line option that gave the path.

    Raises:
        RunbookError: the file cannot be written.
    """
    if path is None:
        return
    text = to_document(data)
    target = Path(path)
    try:
        if path == "-":
            write_utf8(text)
        elif target.exists() and not target.is_file():  # /dev/stderr, a pipe: cannot be renamed
            target.write_text(text, encoding="utf-8")
        else:
            replace_file(target.resolve(), text)
    except BrokenPipeError:  # the reader of a pipe has ended (`| head`)
        raise
    except OSError as error:
        name = "standard output" if path == "-" else path
        raise RunbookError(
            f"{name} cannot be written: {error.strerror}",
            "the report is lost",
            f"give {option} another path",
        ) from None
