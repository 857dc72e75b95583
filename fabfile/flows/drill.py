"""`fab drill.*`: run drills, and show them and their results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..acceptance.export import refuse_bad_path
from ..console.json_file import write_json
from ..console.live_line import show_live_line
from ..console.next_step import BY_DRILL, match_names, show_next_step
from ..console.rollup import open_console
from ..drills import DrillResult, chosen_drills, run_some
from ..drills import result as drill_result
from ..drills.catalogue.register import BY_NAME, DRILLS
from ..drills.history import kept_results
from ..drills.safety_nets import check_net
from ..drills.table import result_line, show_history, show_list, show_results
from ..drills.target import folder_of
from ..engine import interrupt
from ..engine.errors import FAILED, INTERRUPTED, OK, RunbookError
from ..report import refuse_bad_folder, write_report
from ..settings.settings import Settings
from ..settings.site_file import in_lab, load_program

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
    """Run the drills called `names` (all, without names).

    Returns:
        The exit code: 0 if none failed, 1 if one did, 130 after Ctrl-C.

    Raises:
        RunbookError: an unknown name, a real site without --yes-really, locked, unreachable.
    """
    chosen_drills(names)
    check_net(without)
    _refuse_real_site(settings, yes_really=yes_really)
    _refuse_missing_roles(settings)
    if report:
        refuse_bad_folder(Path(report))
    if json:
        refuse_bad_path(json)
    out = open_console(json)
    results: list[DrillResult] = []
    try:
        _run_each(settings, list(names or BY_NAME), results, without=without, out=out)
    except interrupt.Aborted:
        raise _explain_aborted_undo() from None
    except KeyboardInterrupt:
        out.print("[yellow]interrupted; the fault was undone[/]")
        return INTERRUPTED
    finally:
        if results:
            show_results(out, results)
            write_json({"drills": [result.as_json() for result in results]}, json)
    if report:
        page = write_report(
            Path(report), settings.program.load, None, [result.as_json() for result in results]
        )
        out.print(f"The report: {page}", soft_wrap=True)
    failed = [result.name for result in results if result.verdict == drill_result.FAILED]
    show_next_step(out, match_names(failed, BY_DRILL))
    return FAILED if failed else OK


def _explain_aborted_undo() -> RunbookError:
    return RunbookError(
        "interrupted while a drill was being undone",
        "a timer on each host undoes its fault within 3 minutes; a host that was powered off"
        " stays off",
        "fab status (for a lab's host without power: inv lab.power-on NAME)",
    )


def _run_each(
    settings: Settings,
    names: Sequence[str],
    results: list[DrillResult],
    *,
    without: str,
    out: Console,
) -> None:
    """Run the drills and show progress. Each result is added to `results` at once, so that an
    interrupted run keeps those before it."""

    def done(result: DrillResult) -> None:
        results.append(result)
        if len(names) > 1:
            out.print(result_line(result))

    def progress(text: str) -> None:
        current = names[min(len(results), len(names) - 1)]
        show(f"{current}: {text}")

    with show_live_line(out) as show:
        run_some(settings, names, progress, without=without, done=done)


def _refuse_missing_roles(settings: Settings) -> None:
    for role in ("edge", "app"):
        if not settings.inventory.having(role):
            raise RunbookError(
                f"{settings.name} has no host with the role {role}",
                "a drill breaks the app and observes it from an edge",
                f"give a host that role in {settings.path}",
            )


def _refuse_real_site(settings: Settings, *, yes_really: bool) -> None:
    if not in_lab(settings) and not yes_really:
        raise RunbookError(
            f"{settings.name} is no lab: a drill breaks what its users use",
            "it runs with a bounded load, under the deploy lock, and stops when 1 % of the"
            " requests have failed",
            "to run it nevertheless: the same command with --yes-really",
        )


def list_drills(json: str | None) -> int:
    """Print every drill."""
    load = load_program().load
    if json:
        rows = [
            {
                "name": drill.name,
                "hypothesis": drill.hypothesis,
                "rate": drill.rate_of(load),
                "hold": drill.hold,
                "abort": drill.describe_abort(load),
            }
            for drill in DRILLS
        ]
        write_json({"drills": rows}, json)
    show_list(open_console(json), DRILLS, load)
    return OK


def show_past_drills(settings: Settings, names: Sequence[str], json: str | None) -> int:
    """Print the results of earlier drills.

    Raises:
        RunbookError: an unknown name, or no result is kept on this machine.
    """
    chosen_drills(names)
    results = kept_results(folder_of(settings), names)
    if not results:
        raise RunbookError(
            f"no drill of {settings.name} was run from this machine",
            "there is no trend to show",
            "fab drill.all",
        )
    write_json({"drills": [result.as_json() for result in results]}, json)
    show_history(open_console(json), results)
    return OK
