"""`fab history`: who did what, when and with which result, on every host and here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..console.json_file import write_json
from ..console.rollup import open_console
from ..engine.errors import UNREACHABLE, RunbookError
from ..engine.fleet import Fleet, failed_hosts
from ..engine.messages import plural
from ..engine.terminal import print_warning, print_wrapped
from ..records.host_acts import acts_probe, gather_runs, parse_by_hand, parse_entries, parse_healer
from ..records.moment import parse_since, show_time
from ..records.own_acts import join_acts, read_run_folders
from ..records.past_act import DONE, FAILED, UNFINISHED, PastAct, select_acts
from ..settings.reach import open_fleet
from ..settings.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

STYLE = {DONE: "green", FAILED: "bold red", UNFINISHED: "yellow"}


@dataclass(frozen=True)
class HistoryFilter:
    """What to show of the history."""

    since: str = "7d"
    task: str = ""
    failed: bool = False


def show_history(
    settings: Settings, names: Sequence[str], wanted: HistoryFilter, json: str | None
) -> int:
    """Print what was done on the hosts called `names` (all, without names), oldest first.

    Returns:
        The exit code: 4 if a host could not be asked; the others are shown.

    Raises:
        RunbookError: `wanted.since` is no moment.
    """
    since = parse_since(wanted.since, datetime.now(UTC)).timestamp()
    nodes = settings.inventory.select(names)
    with open_fleet(settings, nodes, readonly=True) as fleet:
        acts, errors = read_acts(fleet, since)
    joined = join_acts(acts, read_run_folders(settings.state / "runs"))
    shown = select_acts(joined, hosts=names, since=since, task=wanted.task, failed=wanted.failed)
    out = open_console(json)
    _print_acts(out, shown)
    out.print(f"[bold]history[/]: {plural(len(shown), 'act')} since {show_time(since)} UTC")
    for error in errors.values():
        print_warning(error)
    write_json(
        {
            "acts": [asdict(act) for act in shown],
            "not_asked": {name: str(error) for name, error in errors.items()},
        },
        json,
    )
    return UNREACHABLE if errors else 0


def read_acts(fleet: Fleet, since: float) -> tuple[list[PastAct], dict[str, RunbookError]]:
    """Return what the hosts of `fleet` know of acts, and the hosts that could not be asked.

    `since` bounds only what healers and people did there; in seconds since 1970.
    """
    probe = acts_probe(since)
    answers = fleet.each(lambda node: fleet.link(node).read([probe])[0].out)
    texts = {name: answer for name, answer in answers.items() if isinstance(answer, str)}
    acts = gather_runs({name: parse_entries(text) for name, text in texts.items()})
    for name, text in texts.items():
        acts += [*parse_healer(name, text), *parse_by_hand(name, text)]
    return acts, failed_hosts(answers)


def _print_acts(out: Console, acts: Sequence[PastAct]) -> None:
    """Print a line for each act, and below it what it changed and why."""
    from rich.text import Text

    indent = Text("    ")
    for act in acts:
        line = Text(f"{show_time(act.time)}  ") + Text(act.result, STYLE.get(act.result, "dim"))
        line += Text(f"  {act.who}: {act.task} on {' '.join(act.hosts) or 'no host'}")
        print_wrapped(out, Text(""), line)
        if act.text:
            print_wrapped(out, indent, Text(act.text, "dim"))
        if act.reason:
            print_wrapped(out, indent, Text(f"reason: {act.reason}", "italic"))
