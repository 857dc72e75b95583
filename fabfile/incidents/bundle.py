"""Write the evidence into one folder, without secrets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from ..engine.journal import Run
from ..engine.script_log import hide_secrets
from ..engine.secret import mask_secrets
from ..records.log_line import LogLine
from ..records.moment import show_time
from ..records.past_act import PastAct
from .evidence import Evidence
from .hypotheses import Hypothesis


def write_bundle(
    run: Run,
    seen: Evidence,
    causes: Sequence[Hypothesis],
    acts: Sequence[PastAct],
    lines: Sequence[LogLine] = (),
) -> Path:
    """Write everything that was seen into the folder of `run`; return the folder."""
    run.note(
        "causes.json",
        {"causes": [asdict(cause) for cause in causes], "unknown": list(seen.unknown)},
    )
    run.note("timeline.txt", "\n".join(make_timeline(acts, lines)))
    for host, readings in seen.readings.items():
        for name, reading in readings.items():
            run.note(f"{host}-{name}.txt", hide_secrets(mask_secrets(reading.out)))
    for host, diff in seen.diffs.items():
        run.note(f"{host}-differences.txt", hide_secrets(mask_secrets(diff)))
    return run.path


def make_timeline(acts: Iterable[PastAct], lines: Iterable[LogLine]) -> list[str]:
    """Acts of people and healers, and errors in the logs, by time. Pure."""
    told = [
        (
            act.time,
            f"{','.join(act.hosts)}  {act.who}: {act.task} {act.result}: {act.text}"
            + (f" (reason: {act.reason})" if act.reason else ""),
        )
        for act in acts
    ]
    told += [(line.time, f"{line.host}  {line.unit}: {line.text}") for line in lines if line.bad]
    return [f"{show_time(time, parts=True)}  {text}" for time, text in sorted(told)]
