"""What `fab preflight` found, as rows, and how it is printed: a table, then each problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ..engine.errors import RunbookError
from ..engine.messages import plural
from ..engine.secret import mask_secrets
from ..engine.terminal import print_error
from ..rollout.condition import NOT_TRIED

if TYPE_CHECKING:
    from rich.console import Console

MARKS = {True: "[green]✓[/]", False: "[bold red]✗[/]", None: "[yellow]?[/]"}


@dataclass(frozen=True)
class PreflightRow:
    """One check. `host` may also be `site` or `controller`; `held` is None if it was not tried."""

    id: str
    host: str
    check: str
    held: bool | None
    seen: str
    next: str = ""

    def as_json(self) -> dict[str, Any]:
        """The row as data, without secrets."""
        return {
            "id": self.id,
            "host": self.host,
            "check": self.check,
            "held": self.held,
            "seen": mask_secrets(self.seen),
            "next": mask_secrets(self.next),
        }


@dataclass
class Findings:
    """The rows of the table, and the errors that explain those that do not hold."""

    rows: list[PreflightRow] = field(default_factory=list)
    errors: list[RunbookError] = field(default_factory=list)

    def add(
        self, host: str, check: str, held: bool | None, seen: str, error: RunbookError | None = None
    ) -> None:
        """Add a row; `error` explains why it does not hold."""
        number = sum(row.host == host and row.check == check for row in self.rows)
        id = f"{host}.{check.replace(' ', '-')}" + (f".{number + 1}" if number else "")
        self.rows.append(PreflightRow(id, host, check, held, seen, error.next if error else ""))
        if error:
            self.errors.append(error)

    def add_errors(
        self, host: str, check: str, errors: Sequence[RunbookError], seen_if_right: str
    ) -> None:
        """Add a row for each of `errors`, or a single one that holds (or was not tried)."""
        for error in errors:
            self.add(host, check, False, error.problem.removeprefix(f"{host}: "), error)
        if not errors:
            held = None if seen_if_right.startswith(NOT_TRIED) else True
            self.add(host, check, held, seen_if_right)


def show_preflight(
    out: Console,
    rows: Sequence[PreflightRow],
    errors: Sequence[RunbookError],
    last_line: str,
    hosts: Sequence[str],
) -> None:
    """Print the table, the problems and the totals. `hosts` are the names of all hosts asked."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, header_style="dim", pad_edge=False)
    for title in ("check", "", "host", "seen"):
        table.add_column(title, overflow="fold")
    shown = ""
    for check, held, names, seen in group_rows(rows, hosts):
        table.add_row(
            "" if check == shown else escape(check),
            MARKS[held],
            escape(names),
            escape(mask_secrets(seen)),
        )
        shown = check
    out.print(table)
    for error in {error.problem: error for error in errors}.values():
        print_error(error, out)
    out.print(last_line)


def group_rows(
    rows: Sequence[PreflightRow], hosts: Sequence[str]
) -> list[tuple[str, bool | None, str, str]]:
    """The lines of the table: check, held, hosts, seen. Hosts that show the same share a line, and
    the lines of a check follow each other, in the order in which the checks first occur. Pure."""
    order = list(dict.fromkeys(row.check for row in rows))

    def key(row: PreflightRow) -> tuple[int, str, str]:
        return order.index(row.check), str(row.held), row.seen

    lines = []
    for _, group in groupby(sorted(rows, key=key), key=key):
        same = list(group)
        names = list(dict.fromkeys(row.host for row in same))
        everyone = len(hosts) > 1 and set(hosts) <= set(names)
        lines.append(
            (
                same[0].check,
                same[0].held,
                "every host" if everyone else " ".join(names),
                same[0].seen,
            )
        )
    return lines


def total_line(hosts: int, rows: Sequence[PreflightRow], seconds: float, sessions: int) -> str:
    """The last line: how many checks held."""
    counts = [sum(row.held is state for row in rows) for state in (True, False, None)]
    parts = [plural(hosts, "host"), f"{counts[0]} held"]
    parts += [f"{counts[1]} not held"] if counts[1] else []
    parts += [f"{counts[2]} not tried"] if counts[2] else []
    parts += [f"{seconds:.2f} s", plural(sessions, "ssh session")]
    return "[bold]preflight[/]: " + " · ".join(parts)
