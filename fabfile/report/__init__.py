"""Write the report of an acceptance check and of drills: one page without external resources, and
the same data as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..engine.document import to_document
from ..engine.errors import RunbookError
from ..engine.files import replace_file
from ..settings.load import PromisedLoad

__all__ = ["refuse_bad_folder", "write_report"]

PAGE = "index.html"
DATA = "report.json"


def write_report(
    folder: Path,
    load: PromisedLoad,
    check: Mapping[str, Any] | None,
    drills: Sequence[Mapping[str, Any]],
) -> Path:
    """Write index.html and report.json into `folder` and return the path of the page.

    Each file is replaced as a whole, so a reader never finds half of one.

    Args:
        folder: created if missing.
        load: what the service promises; its bounds are drawn.
        check: the JSON of an acceptance check; None if only drills were run.
        drills: the JSON of each drill, in the order to be shown.

    Raises:
        RunbookError: the folder cannot be written.
    """
    from .page import render_page

    made = datetime.now(UTC).isoformat(timespec="seconds")
    text = to_document({"made": made, "check": check, "drills": list(drills)})
    refuse_bad_folder(folder)
    _write_file(folder / DATA, text)
    # The page is made from the JSON text, so that both show exactly the same figures.
    _write_file(folder / PAGE, render_page(json.loads(text), load))
    return folder / PAGE


def refuse_bad_folder(folder: Path) -> None:
    """Create the folder and check that it can be written, before minutes of measuring.

    Raises:
        RunbookError: the folder cannot be created or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        why = "" if os.access(folder, os.W_OK | os.X_OK) else "permission denied"
    except OSError as error:
        why = (error.strerror or str(error)).lower()
    if why:
        raise RunbookError(
            f"{folder} cannot be written: {why}",
            "the report is a folder with a page and its data",
            "give --report a folder that you can write",
        )


def _write_file(path: Path, text: str) -> None:
    try:
        replace_file(path, text)
    except OSError as error:
        raise RunbookError(
            f"{path} cannot be written: {error.strerror}",
            "the report is incomplete; the figures are printed above",
            "give --report another folder",
        ) from error
