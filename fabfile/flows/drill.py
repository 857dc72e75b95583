"""`fab drill.*`: make drills, keep what they say, show it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..acceptance.export import refuse_bad_path
from ..console.json_file import write_json
from ..console.rollup import open_console
from ..drills import DrillResult, chosen_drills, run_some
from ..drills.catalogue.register import BY_NAME, DRILLS
from ..drills.history import kept_results
from ..drills.result import FAILED as DID_NOT_HOLD
from ..drills.safety_nets import check_net
from ..drills.table import result_line, show_history, show_list, show_results
from ..drills.target import folder_of
from ..engine import interrupt
from ..engine.errors import FAILED, INTERRUPTED, OK, RunbookError
from ..report import refuse_bad_folder, write_report
from ..settings.settings import Settings
from ..settings.site_file import in_lab

if TYPE_CHECKING:
    from rich.console import Console


def run_drills(
    settings: Settings,
    names: Sequence[str],
    *,
    json: str | None,
    report: str,
    without: str,
    yes_really: bool,
) -> int:
    """Make the drills called `names` (all, without names); 0 when none failed, 1 when one did, 130
    after Ctrl-C.

    Raises:
        RunbookError: an unknown name, a real site without --yes-really, locked, unreachable.
    """
    _refuse_early(settings, names, json, report, without, yes_really)
    out = open_console(json)
    if json != "-":
        out.file = sys.stdout  # what a task under load prints is caught elsewhere
    made = list[DrillResult]()
    try:
        _make_each(settings, list(names or BY_NAME), without, out, made)
    except interrupt.BrokenOff:
        raise RunbookError(
            "interrupted while a drill was being undone",
            "a fault on a host undoes itself within 3 minutes; a host that was powered off"
            " stays off",
            "fab status (for a lab's host without power: inv lab.power-on NAME)",
        ) from None
    except KeyboardInterrupt:
        out.print("[yellow]interrupted; what was broken is repaired[/]")
        return INTERRUPTED
    finally:
        if made:
            show_results(out, made)
            write_json({"drills": [result.as_json() for result in made]}, json)
    if report:
        out.print(
            f"The report: {write_report(Path(report), None, [drill.as_json() for drill in made])}",
            soft_wrap=True,
        )
    return FAILED if any(result.verdict == DID_NOT_HOLD for result in made) else OK


def _make_each(
    settings: Settings, wanted: list[str], without: str, out: Console, made: list[DrillResult]
) -> None:
    """The drills `wanted`; each result goes to `made` as it comes, and what goes on is told."""

    def done(result: DrillResult) -> None:
        made.append(result)
        if len(wanted) > 1:
            out.print(result_line(result))

    def progress(text: str) -> None:
        status.update(f"[bold]{wanted[min(len(made), len(wanted) - 1)]}[/] {text}")

    with out.status("") as status:
        run_some(settings, wanted, progress, without=without, done=done)


def _refuse_early(
    settings: Settings,
    names: Sequence[str],
    json: str | None,
    report: str,
    without: str,
    yes_really: bool,
) -> None:
    """Whatever is wrong with what was asked, before anything is broken."""
    chosen_drills(names)
    check_net(without)
    _refuse_unasked(settings, yes_really)
    for role in ("edge", "app"):
        if not settings.inventory.having(role):
            raise RunbookError(
                f"{settings.name} has no host of the role {role}",
                "a drill hurts the app and is looked at from an edge",
                f"give a host that role in {settings.path}",
            )
    if report:
        refuse_bad_folder(Path(report))
    if json:
        refuse_bad_path(json)


def _refuse_unasked(settings: Settings, yes_really: bool) -> None:
    if not in_lab(settings) and not yes_really:
        raise RunbookError(
            f"{settings.name} is no lab: a drill breaks what its users use",
            "it is made with a bounded load, under the deploy lock, and stops when 1 % of the"
            " requests have failed",
            "if that is wanted: the same command with --yes-really",
        )


def list_drills(json: str | None) -> int:
    """The table of drills."""
    if json:
        rows = [
            {
                "name": one.name,
                "hypothesis": one.hypothesis,
                "rate": one.rate,
                "hold": one.hold,
                "abort": one.abort,
            }
            for one in DRILLS
        ]
        write_json({"drills": rows}, json)
    show_list(open_console(json), DRILLS)
    return OK


def show_past_drills(settings: Settings, names: Sequence[str], json: str | None) -> int:
    """What drills have said over time.

    Raises:
        RunbookError: none was made yet.
    """
    chosen_drills(names)
    found = kept_results(folder_of(settings), names)
    if not found:
        raise RunbookError(
            f"no drill of {settings.name} has been made here",
            "there is no trend to show",
            "fab drill.all",
        )
    write_json({"drills": [result.as_json() for result in found]}, json)
    show_history(open_console(json), found)
    return OK
