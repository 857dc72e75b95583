"""Results of drills on this controller: one JSON file per run of a drill."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from ..engine.document import to_document
from ..engine.files import explain_local_file, replace_file
from ..engine.terminal import print_warning
from .result import NOT_TRIED, DrillResult, from_json


def keep_result(folder: Path, result: DrillResult) -> Path | None:
    """Write the result, whole or not at all; return the path.

    None if the drill was not tried, or if the file cannot be written: then with a warning.
    """
    if result.verdict == NOT_TRIED:
        return None
    when = datetime.fromtimestamp(result.started, UTC).strftime("%Y%m%dT%H%M%S")
    path = folder / f"{when}-{result.name}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(path, to_document(result.as_json()))
    except OSError as error:
        print_warning(explain_local_file(error, "the drills go on; this result is not kept"))
        return None
    return path


def kept_results(folder: Path, names: Sequence[str] = ()) -> list[DrillResult]:
    """All results (of `names`, if given), oldest first. A file that is not a result is ignored."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            result = from_json(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, KeyError, TypeError):
            continue
        if not names or result.name in names:
            found.append(result)
    return found


def latest_results(results: Sequence[DrillResult]) -> list[DrillResult]:
    """The newest result of each drill; runs with a disabled safety net do not count."""
    newest = {result.name: result for result in results if not result.without}
    return list(newest.values())
