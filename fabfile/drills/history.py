"""Results of drills on this controller: one JSON file a drill made, and what they tell over
time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from ..engine.document import to_document
from ..engine.files import replace_file
from .result import NOT_TRIED, DrillResult, from_json


def keep_result(folder: Path, result: DrillResult) -> Path | None:
    """Write it down, whole or not at all; where. A drill that was not tried leaves nothing."""
    if result.verdict == NOT_TRIED:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    when = datetime.fromtimestamp(result.started, UTC).strftime("%Y%m%dT%H%M%S")
    path = folder / f"{when}-{result.name}.json"
    replace_file(path, to_document(result.as_json()))
    return path


def kept_results(folder: Path, names: Sequence[str] = ()) -> list[DrillResult]:
    """All of them (of `names`, if given), oldest first. A file that is no result is passed over."""
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
    """The newest of each drill, of those made with nothing disabled."""
    newest = {result.name: result for result in results if not result.without}
    return list(newest.values())
