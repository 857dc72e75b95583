"""`fab logs`: the logs of all hosts, merged by time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..console.json_file import write_json
from ..console.rollup import open_console
from ..engine.errors import OK, UNREACHABLE, RunbookError
from ..engine.fleet import Fleet, failed_hosts
from ..engine.host import Node
from ..engine.messages import plural
from ..engine.terminal import print_warning
from ..health.units import needed_units
from ..records.log_line import LogFilter, LogLine, log_probe, parse_line, parse_lines
from ..records.moment import parse_since, show_time
from ..settings.reach import open_fleet
from ..settings.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

QUIET_SECONDS = 86_400.0
"""A host that logs nothing is healthy, so `--follow` waits for its next line for a day."""


def show_logs(
    settings: Settings, names: Sequence[str], wanted: LogFilter, since: str, json: str | None
) -> int:
    """Print the lines of the hosts called `names` (all, without names), oldest first.

    Returns:
        The exit code: 4 if a host could not be asked; the others are shown.

    Raises:
        RunbookError: `since` is no moment.
    """
    start = parse_since(since, datetime.now(UTC)).timestamp()
    out = open_console(json)
    with open_fleet(settings, settings.inventory.select(names), readonly=True) as fleet:
        lines, errors = read_logs(settings, fleet, start)
    shown = [line for line in lines if wanted.keeps(line)]
    for line in shown:
        _print_line(out, line)
    out.print(f"[bold]logs[/]: {plural(len(shown), 'line')} since {show_time(start)} UTC")
    for error in errors.values():
        print_warning(error)
    write_json(
        {
            "lines": [asdict(line) for line in shown],
            "not_asked": {name: str(error) for name, error in errors.items()},
        },
        json,
    )
    return UNREACHABLE if errors else OK


def read_logs(
    settings: Settings, fleet: Fleet, since: float
) -> tuple[list[LogLine], dict[str, RunbookError]]:
    """Return the lines of all hosts by time, and the hosts that could not be asked."""

    def read(node: Node) -> list[LogLine]:
        probe = log_probe(needed_units(settings, node), since, postgres="postgres" in node.roles)
        return parse_lines(node.name, fleet.link(node).read([probe])[0].out.splitlines(), since)

    answers = fleet.each(read)
    lines = [line for answer in answers.values() if isinstance(answer, list) for line in answer]
    return sorted(lines, key=lambda line: line.time), failed_hosts(answers)


def follow_logs(settings: Settings, names: Sequence[str], wanted: LogFilter) -> int:
    """Print new lines as they arrive, until Ctrl-C or until no host is left.

    Returns:
        The exit code: 4 if every host was lost.
    """
    out = open_console()
    arrived: queue.Queue[LogLine | RunbookError] = queue.Queue()
    nodes = settings.inventory.select(names)
    with open_fleet(settings, nodes, readonly=True) as fleet:
        for node in nodes:
            work = (settings, fleet, node, arrived)
            threading.Thread(target=_follow_host, args=work, daemon=True).start()
        left = len(nodes)
        try:
            while left:
                item = arrived.get()
                if isinstance(item, RunbookError):
                    left -= 1
                    print_warning(item)
                elif wanted.keeps(item):
                    _print_line(out, item)
        except KeyboardInterrupt:
            return OK
    return UNREACHABLE


def _follow_host(
    settings: Settings, fleet: Fleet, node: Node, arrived: queue.Queue[LogLine | RunbookError]
) -> None:
    script = log_probe(needed_units(settings, node), 0, follow=True)
    try:
        for text in fleet.link(node).follow(script, silence=QUIET_SECONDS):
            if line := parse_line(node.name, text):
                arrived.put(line)
        arrived.put(
            RunbookError(
                f"{node.name}: the log ended", "no more lines of it are shown", "fab status"
            )
        )
    except RunbookError as error:
        arrived.put(error)


def _print_line(out: Console, line: LogLine) -> None:
    from rich.text import Text

    text = Text(f"{show_time(line.time, parts=True)} ", style="dim")
    text.append(f"{line.host:<6} {line.unit:<18} ", style="cyan")
    text.append(line.text, style="bold red" if line.bad else "default")
    out.print(text)
