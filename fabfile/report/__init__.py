"""One self-contained page of an acceptance and of drills: tables, curves, no network; and the
same as JSON beside it."""

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

__all__ = ["refuse_bad_folder", "write_report"]

PAGE, DATA = "index.html", "report.json"


def write_report(
    folder: Path, check: Mapping[str, Any] | None, drills: Sequence[Mapping[str, Any]]
) -> Path:
    """Write `folder`/index.html and `folder`/report.json, each whole or not at all; the page's
    path.

    Args:
        folder: made if it is not there.
        check: the JSON of an acceptance; None if only drills were run.
        drills: the JSON of each, in the order in which they are shown.

    Raises:
        RunbookError: the folder cannot be written.
    """
    from .page import render_page

    made = datetime.now(UTC).isoformat(timespec="seconds")
    data = {"made": made, "check": check, "drills": list(drills)}
    # Through JSON and back: what machines read is what the page shows.
    text = to_document(data)
    refuse_bad_folder(folder)
    _put_file(folder / DATA, text)
    _put_file(folder / PAGE, render_page(json.loads(text)))
    return folder / PAGE


def refuse_bad_folder(folder: Path) -> None:
    """Before minutes of measuring: make the folder, and see whether it can be written.

    Raises:
        RunbookError: it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        why = "" if os.access(folder, os.W_OK | os.X_OK) else "permission denied"
    except OSError as error:
        why = (error.strerror or str(error)).lower()
    if why:
        raise RunbookError(
            f"{folder} cannot be written: {why}",
            "the report is a folder",
            "give --report a folder of yours",
        )


def _put_file(path: Path, text: str) -> None:
    try:
        replace_file(path, text)
    except OSError as error:
        raise RunbookError(
            f"{path} cannot be written: {error.strerror}",
            "the figures are above",
            "give --report another folder",
        ) from error
