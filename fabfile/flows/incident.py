"""`fab incident.triage` and `fab incident.NAME`: collect the evidence, name the likeliest cause,
and offer the act that removes it."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, redirect_stdout
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from ..console.json_file import write_json
from ..console.next_step import TRIAGE
from ..console.rollup import open_console
from ..engine.errors import DIFFERS, FAILED, OK
from ..engine.fleet import Fleet
from ..engine.journal import Run
from ..engine.messages import plural
from ..engine.terminal import print_wrapped
from ..incidents.acts import IncidentAct, choose_act
from ..incidents.bundle import write_bundle
from ..incidents.evidence import Evidence, collect_evidence
from ..incidents.hypotheses import OTHER, Hypothesis, find_causes
from ..records.log_line import LogLine
from ..records.moment import show_time
from ..records.own_acts import join_acts, read_run_folders
from ..records.past_act import HEALER, NO_CHANGE, PastAct, select_acts
from ..settings.reach import open_fleet
from ..settings.settings import Settings
from .history import read_acts
from .incident_act import carry_out_act, may_act
from .logs import read_logs

if TYPE_CHECKING:
    from rich.console import Console

TIMELINE_SECONDS = 7200
"""How far back the timeline of the bundle goes: an incident of the night, and the deploy before."""

RECENT_ACTS = 3
"""The newest acts of people that are shown."""

CONNECT_SECONDS = 3.0
"""A healthy host answers within a fraction of a second; a dead one must not hold up the others."""

APP_INCIDENTS = ("app-down", "app-slow", "app-leak", "both-down")
"""Incidents for which the system calls of the app are evidence."""


@dataclass(frozen=True)
class IncidentOptions:
    """How the task was typed."""

    name: str = ""
    """Only causes of this incident; empty: of any, and no act is offered."""
    only_evidence: bool = False
    """Print no cause, only where the bundle is."""
    yes: bool = False
    """Do the act without a question."""
    reason: str = ""
    json: str | None = None


def triage_incident(settings: Settings, options: IncidentOptions) -> int:
    """Collect evidence from every host, write the bundle, print the causes, and offer the act.

    Returns:
        The exit code: 0 nothing is wrong (any more), 1 users notice it, 2 a person must act, or
        something could not be read.

    Raises:
        RunbookError: the act failed, the hosts are locked, or a host cannot be reached.
    """
    started, name = time.monotonic(), options.name
    out = open_console(options.json)
    run = Run(f"incident.{name or 'triage'}", settings.state / "incidents")
    seen, acts, lines = _collect_all(settings, trace=name in APP_INCIDENTS)
    causes = _select_causes(settings, seen, name)
    folder = write_bundle(run, seen, causes, acts, lines)
    act = choose_act(causes)
    if not options.only_evidence:
        _print_causes(out, name, causes, seen)
        _print_recent(out, acts)
        _print_act(out, causes, act)
    out.print(f"evidence: {folder}   (timeline.txt: who did what, and errors)", markup=False)
    out.print(
        f"[bold]incident[/]: {plural(len(causes), 'cause')} · {plural(len(seen.hosts), 'host')} ·"
        f" {time.monotonic() - started:.2f} s"
    )
    gone, left = _offer_act(settings, options, act, out) if act else (None, [])
    _print_left(out, left)
    report = {
        "causes": [asdict(cause) for cause in causes],
        "unknown": list(seen.unknown),
        "evidence": str(folder),
        "act": asdict(act) if act else None,
        "gone": gone,
        "left": [asdict(cause) for cause in left],
    }
    write_json(report, options.json)
    return _exit_code(left if gone else causes, seen, gone)


def _collect_all(
    settings: Settings, *, trace: bool = False
) -> tuple[Evidence, list[PastAct], list[LogLine]]:
    """Read all hosts at once: the evidence, past acts and logs."""
    since = time.time() - TIMELINE_SECONDS
    with _open_all(settings) as fleet, ThreadPoolExecutor(2) as pool:
        acts = pool.submit(read_acts, fleet, since)
        logs = pool.submit(read_logs, settings, fleet, since)
        seen = collect_evidence(settings, fleet, trace=trace)
        known, (lines, _) = acts.result()[0], logs.result()
    joined = join_acts(known, read_run_folders(settings.state / "runs"))
    return seen, select_acts(joined, since=since), lines


def _open_all(settings: Settings) -> Fleet:
    """Links to every host that wait CONNECT_SECONDS for a dead one."""
    timeout = min(CONNECT_SECONDS, settings.ssh.timeout)
    quick = replace(settings, ssh=replace(settings.ssh, timeout=timeout))
    return open_fleet(quick, quick.inventory.select([]), readonly=True)


def _select_causes(settings: Settings, seen: Evidence, name: str) -> list[Hypothesis]:
    return [cause for cause in find_causes(settings, seen) if name in ("", cause.name)]


def _exit_code(causes: Sequence[Hypothesis], seen: Evidence, gone: bool | None) -> int:
    """The exit code. `gone` is whether the act removed its cause; None if nothing was done.
    `causes` are those that are left then."""
    if gone is False:
        return FAILED
    if any(cause.down for cause in causes):
        return FAILED
    return DIFFERS if causes or (seen.unknown and not gone) else OK


def _offer_act(
    settings: Settings, options: IncidentOptions, act: IncidentAct, out: Console
) -> tuple[bool | None, list[Hypothesis]]:
    """Ask for `act` and do it; return whether its cause is gone (None if nothing was done), and
    which other causes the hosts show."""
    if not options.name or options.only_evidence or not may_act(out, yes=options.yes):
        return None, []

    seen: list[Hypothesis] = []

    def read_causes() -> list[Hypothesis]:
        with _open_all(settings) as fleet:
            seen[:] = find_causes(settings, collect_evidence(settings, fleet))
        return [cause for cause in seen if cause.name == options.name]

    reason = ": ".join(filter(None, (f"incident {options.name}", options.reason)))
    # A deploy or a restart prints to stdout, which may belong to the JSON.
    to_stderr = redirect_stdout(sys.stderr) if options.json == "-" else nullcontext()
    with to_stderr:
        gone = carry_out_act(settings, act, out, read_causes, reason=reason)
    return gone, [cause for cause in seen if cause.name != options.name and not cause.alert]


def _print_left(out: Console, left: Sequence[Hypothesis]) -> None:
    """Print what is wrong although the act is done."""
    from rich.text import Text

    for cause in left:
        where = f"{cause.host}: " if cause.host else ""
        print_wrapped(out, Text("still wrong  "), Text(f"{where}{cause.evidence}"))
        out.print(Text(f"        next  {cause.next}"), soft_wrap=True)


def _print_act(out: Console, causes: Sequence[Hypothesis], act: IncidentAct | None) -> None:
    """Print the act for the likeliest cause, or that there is none that is safe."""
    from rich.text import Text

    if not causes or causes[0].name == OTHER:
        return
    if act is None:
        out.print(Text("act     a person must decide; the page says how", style="dim"))
        return
    out.print(Text(f"act     {act.sentence}", style="bold"))
    out.print(Text(f"        cost: {act.cost}", style="dim"))
    out.print(Text(f"        fab incident.{causes[0].name} asks first, then does it", style="dim"))


def _print_recent(out: Console, acts: Sequence[PastAct]) -> None:
    """Print what people did last: it is often the cause."""
    from rich.text import Text

    people = [act for act in acts if act.who != HEALER and act.result != NO_CHANGE]
    for act in people[-RECENT_ACTS:]:
        where, text = ",".join(act.hosts), act.text.partition("\n")[0]
        line = f"{show_time(act.time)} {act.who}: {act.task} on {where}: {text}"
        print_wrapped(out, Text("lately  ", "dim"), Text(line, "dim"))


def _print_causes(out: Console, name: str, causes: Sequence[Hypothesis], seen: Evidence) -> None:
    from rich.text import Text

    for number, name_seen in enumerate(dict.fromkeys(cause.name for cause in causes)):
        title = f"{'also seen' if number else 'likeliest cause'}: {name_seen}"
        out.print(Text(title, style="bold" if number else "bold red"))
        for cause in (cause for cause in causes if cause.name == name_seen):
            where = f"{cause.host}: " if cause.host else ""
            out.print(Text(f"  seen  {where}{cause.evidence}"))
            if cause.next != f"fab incident.{TRIAGE}":  # this is triage
                out.print(Text(f"  next  {cause.next}"))
        if name_seen != OTHER:
            out.print(Text(f"  page  fab runbook {name_seen}", style="dim"))
    for text in seen.unknown:
        out.print(Text(f"not known  {text}", style="yellow"))
    if not causes:
        wrong = f"no sign of {name} now; it may be over" if name else "nothing is wrong"
        out.print(
            f"{wrong} in what could be read; see what is not known" if seen.unknown else wrong
        )
