"""Read what was done from the run folders of this controller, and join it with what hosts say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..engine.errors import DIFFERS, OK
from .past_act import FAILED, NO_CHANGE, PastAct

FOLDER = re.compile(r"(\d{8}T\d{6})-[0-9a-f]{6}-(.+)")
"""The name of a run's folder: see `Run.path`."""


def read_run_folders(folder: Path) -> Iterator[PastAct]:
    """Yield an act for each run folder in `folder`. Who ran it is known from the hosts only."""
    for path in sorted(folder.glob("*T*-*")):
        name = FOLDER.fullmatch(path.name)
        if not name:
            continue
        began = datetime.strptime(name[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC).timestamp()
        report = _read_report(path / "report.json")
        run = path.name.removesuffix(f"-{name[2]}")
        hosts = tuple(str(host.get("host", "")) for host in report.get("hosts", ()))
        failed = report.get("exit", OK) not in (OK, DIFFERS)
        yield PastAct(
            began,
            "this controller",
            name[2],
            hosts,
            FAILED if failed else NO_CHANGE,
            _first_error(report) if failed else "",
            run=run,
        )


def join_acts(on_hosts: Iterable[PastAct], here: Iterable[PastAct]) -> list[PastAct]:
    """Join both views of the same run: the hosts know who and why, the folder knows how a run
    ended that a host could not write down. Pure."""
    known = {act.run: act for act in on_hosts if act.run}
    healers = [act for act in on_hosts if not act.run]
    for act in here:
        seen = known.get(act.run)
        if seen is None:
            known[act.run] = act
        elif act.result == FAILED != seen.result:
            known[act.run] = replace(seen, result=FAILED, text=act.text or seen.text)
    return [*known.values(), *healers]


def _read_report(path: Path) -> dict[str, Any]:
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # a run without a report, or one that was killed
        return {}
    return report if isinstance(report, dict) else {}


def _first_error(report: dict[str, Any]) -> str:
    for host in report.get("hosts", ()):
        error = host.get("error")
        if error:
            return str(error.get("problem", ""))
        for step in host.get("steps", ()):
            if step.get("state") == FAILED:
                return f"{host.get('host', '')}: {step.get('message', '')}"
    ends = report.get("at_end") or [{}]
    return str(ends[0].get("problem", ""))
