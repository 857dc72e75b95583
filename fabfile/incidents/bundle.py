"""Write the evidence into one folder, without secrets."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from ..engine.journal import Run
from ..engine.script_log import hide_secrets
from ..engine.secret import mask_secrets
from ..records.log_line import LogLine
from ..records.moment import show_time
from ..records.past_act import NOT_KNOWN, PastAct
from .evidence import Evidence
from .hypotheses import Hypothesis

REPEAT_SECONDS = 60
"""Errors of one kind that are closer to each other than this are one entry of the timeline."""


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
    run.note("about.txt", hide_secrets("\n".join(describe_evidence(seen, causes))))
    run.note("timeline.txt", "\n".join(make_timeline(acts, lines)))
    for host, readings in seen.readings.items():
        for name, reading in readings.items():
            text = reading.out if reading.out.strip() else f"nothing (exit {reading.code})"
            run.note(f"{host}-{name}.txt", hide_secrets(mask_secrets(text)))
    for host, diff in seen.diffs.items():
        run.note(f"{host}-differences.txt", hide_secrets(mask_secrets(diff)))
    return run.path


def describe_evidence(seen: Evidence, causes: Sequence[Hypothesis]) -> list[str]:
    """The first page: when it was read, which hosts answered, what was wrong, what is where."""
    problems = [("the site", problem) for problem in seen.site]
    problems += [(host.host, problem) for host in seen.hosts for problem in host.problems]
    return [
        f"Read at {show_time(time.time() - seen.seconds)} UTC, in {seen.seconds:.1f} s.",
        "",
        "Hosts:",
        *(
            f"  {host.host} ({', '.join(host.roles)}): {'read' if host.reachable else 'NO ANSWER'}"
            for host in seen.hosts
        ),
        "",
        "Causes, the likeliest first:",
        *(f"  {cause.name}  {cause.host}: {cause.evidence}" for cause in causes),
        "",
        "Problems and alerts at that moment:",
        *(f"  {where}: {problem.message}" for where, problem in problems),
        "",
        "Not known:",
        *(f"  {text}" for text in seen.unknown),
        "",
        "Files: timeline.txt (acts, and errors in the logs; like ones are counted),",
        "HOST-differences.txt (- the host has, + a deploy would write), HOST-logins.txt (ssh and",
        "sudo), HOST-database.txt (lock holders, indexes, sessions), HOST-balancer.txt (HAProxy's",
        "`show stat`), HOST-journal.txt (our units), and what df, ss, ps and the kernel say.",
    ]


def make_timeline(acts: Iterable[PastAct], lines: Iterable[LogLine]) -> list[str]:
    """Acts of people and healers, and errors in the logs, by time. Pure."""
    entries = [
        (
            act.time,
            f"{','.join(act.hosts)}  {act.who}: {act.task}"
            + (f": {act.text}" if act.result == NOT_KNOWN else f" {act.result}: {act.text}")
            + (f" (reason: {act.reason})" if act.reason else ""),
        )
        for act in acts
    ]
    errors = [(line.time, f"{line.host}  {line.unit}: {line.text}") for line in lines if line.bad]
    return [
        f"{show_time(moment, parts=True)}  {text}"
        for moment, text in sorted([*entries, *fold_repeats(errors)])
    ]


def fold_repeats(lines: Iterable[tuple[float, str]]) -> list[tuple[float, str]]:
    """Keep the first of several lines that differ in numbers only and follow each other within
    REPEAT_SECONDS, with the count of the others and the time of the last. Pure."""
    groups: list[tuple[float, str, list[float]]] = []
    latest: dict[str, list[float]] = {}
    for moment, text in sorted(lines):
        key = re.sub(r"\d+", "0", text)
        times = latest.get(key)
        if times and moment - times[-1] <= REPEAT_SECONDS:
            times.append(moment)
            continue
        latest[key] = times = [moment]
        groups.append((moment, text, times))
    return [
        (first, f"{text}   ({len(times) - 1} more like it until {show_time(times[-1])})")
        if len(times) > 1
        else (first, text)
        for first, text, times in groups
    ]
