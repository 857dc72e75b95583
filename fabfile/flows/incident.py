"""`fab incident.triage`: collect the evidence, and name the likeliest cause."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from ..console.json_file import write_json
from ..console.rollup import open_console
from ..engine.errors import DIFFERS, FAILED, OK
from ..engine.journal import Run
from ..engine.messages import plural
from ..incidents.bundle import write_bundle
from ..incidents.evidence import Evidence, collect_evidence
from ..incidents.hypotheses import OTHER, Hypothesis, find_causes
from ..records.own_acts import join_acts, read_run_folders
from ..records.past_act import select_acts
from ..settings.reach import open_fleet
from ..settings.settings import Settings
from .history import read_acts
from .logs import read_logs

if TYPE_CHECKING:
    from rich.console import Console

TIMELINE_SECONDS = 7200
"""How far back the timeline of the bundle goes: an incident of the night, and the deploy before."""


def triage_incident(
    settings: Settings, name: str, json: str | None, *, only_evidence: bool = False
) -> int:
    """Collect evidence from every host, write the bundle, and print the causes.

    Args:
        settings: the site.
        name: only causes of this incident; empty: of any.
        json: where to write the JSON.
        only_evidence: print no cause, only where the bundle is.

    Returns:
        The exit code: 0 nothing is wrong, 1 users notice it, 2 a person must act, or something
        could not be looked at.
    """
    started = time.monotonic()
    out, run = open_console(json), Run(f"incident.{name or 'triage'}", settings.state / "incidents")
    since = time.time() - TIMELINE_SECONDS
    with open_fleet(settings, settings.inventory.select([]), readonly=True) as fleet:
        seen = collect_evidence(settings, fleet)
        known, _ = read_acts(fleet, since)
        lines, _ = read_logs(settings, fleet, since)
    causes = [cause for cause in find_causes(settings, seen) if name in ("", cause.name)]
    acts = select_acts(join_acts(known, read_run_folders(settings.state / "runs")), since=since)
    folder = write_bundle(run, seen, causes, acts, lines)
    if not only_evidence:
        _print_causes(out, name, causes, seen)
    out.print(f"evidence: {folder}", markup=False)
    out.print(
        f"[bold]incident[/]: {plural(len(causes), 'cause')} · {plural(len(seen.hosts), 'host')} ·"
        f" {time.monotonic() - started:.2f} s"
    )
    write_json(
        {
            "causes": [asdict(cause) for cause in causes],
            "unknown": list(seen.unknown),
            "evidence": str(folder),
        },
        json,
    )
    if any(cause.down for cause in causes):
        return FAILED
    return DIFFERS if causes or seen.unknown else OK


def _print_causes(out: Console, name: str, causes: Sequence[Hypothesis], seen: Evidence) -> None:
    from rich.text import Text

    for number, name_seen in enumerate(dict.fromkeys(cause.name for cause in causes)):
        title = f"{'also seen' if number else 'likeliest cause'}: {name_seen}"
        out.print(Text(title, style="bold" if number else "bold red"))
        for cause in (cause for cause in causes if cause.name == name_seen):
            where = f"{cause.host}: " if cause.host else ""
            out.print(Text(f"  seen  {where}{cause.evidence}"))
            out.print(Text(f"  next  {cause.next}"))
        if name_seen != OTHER:
            out.print(Text(f"  page  fab runbook {name_seen}", style="dim"))
    for text in seen.unknown:
        out.print(Text(f"not known  {text}", style="yellow"))
    if not causes:
        wrong = f"no sign of {name}" if name else "nothing is wrong"
        out.print(
            f"{wrong} in what could be read; see what is not known" if seen.unknown else wrong
        )
