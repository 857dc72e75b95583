"""Drills as people read them: the list, one result, many results, their trend."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from .model import Drill
from .result import FAILED, HELD, NOT_TRIED, DrillResult

if TYPE_CHECKING:
    from rich.console import Console

STYLE = {HELD: "green", FAILED: "bold red", NOT_TRIED: "dim"}
SIGN = {HELD: "✓", FAILED: "✗", NOT_TRIED: "·"}
LAST = 12
"""So many results of each drill are in the trend."""


def show_list(out: Console, drills: Sequence[Drill]) -> None:
    """Every drill: hypothesis, under which load, for which requirement."""
    from rich.table import Table

    table = Table(box=None, header_style="dim", pad_edge=False)
    for title in ("fab drill.…", "hypothesis", "load", "ends", "broken off", "for"):
        table.add_column(title, no_wrap=title in ("fab drill.…", "load"))
    for one in drills:
        ends = f"after {one.hold:.0f} s" if one.hold else "by itself"
        table.add_row(
            f"[bold]{one.name}[/]",
            one.hypothesis,
            f"{one.rate:.0f}/s",
            ends,
            one.abort,
            " ".join(one.requirements),
        )
    out.print(table)


def show_results(out: Console, results: Sequence[DrillResult]) -> None:
    """The table of figures, then what did not hold and why, then one line of totals."""
    from rich.table import Table

    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 1, 0, 0))
    for title in ("drill", "", "requests", "failed", "budget", "gap", "noticed", "well again"):
        table.add_column(title, justify="left" if title in ("drill", "") else "right", no_wrap=True)
    for result in results:
        table.add_row(*_result_cells(result))
    out.print(table)
    for result in results:
        for line in _result_remarks(result):
            out.print(line)
    counts = {
        verdict: sum(result.verdict == verdict for result in results)
        for verdict in (HELD, FAILED, NOT_TRIED)
    }
    told = " · ".join(
        f"[{STYLE[verdict]}]{count} {verdict}[/]" for verdict, count in counts.items() if count
    )
    out.print(f"[bold]drills[/]: {told} · {sum(result.seconds for result in results):.0f} s")


def result_line(result: DrillResult) -> str:
    """One drill in a line, for whoever waits for the others."""
    told = f"[{STYLE[result.verdict]}]{SIGN[result.verdict]} {result.name}[/]"
    if not result.requests:
        return f"{told} [dim]{result.verdict}[/]"
    figures = (
        f"{result.failures} of {result.requests} failed, gap {result.gap_s:.2f} s, well again"
        f" {_show_seconds(result.recover_s)}"
    )
    return f"{told} [dim]{figures}[/]"


def _result_cells(result: DrillResult) -> list[str]:
    name = f"{result.name} [dim]without {result.without}[/]" if result.without else result.name
    verdict = f"[{STYLE[result.verdict]}]{result.verdict}[/]"
    if not result.requests:
        return [name, verdict, *[""] * 6]
    return [
        name,
        verdict,
        str(result.requests),
        str(result.failures),
        f"{result.budget_share * 100:.0f} %",
        f"{result.gap_s:.2f} s",
        _show_seconds(result.detect_s),
        _show_seconds(result.recover_s),
    ]


def _show_seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} s"


def _result_remarks(result: DrillResult) -> Iterator[str]:
    from rich.markup import escape

    if result.verdict == NOT_TRIED:
        yield f"[dim]· {result.name} not tried: {escape(result.why)}[/]"
    if result.verdict == FAILED:
        yield f"[bold red]✗ {result.name}[/]: {escape(result.why)}"
    if result.failed:
        told = "; ".join(
            f"{endpoint} " + ", ".join(f"{count} {kind}" for kind, count in kinds.items())
            for endpoint, kinds in result.failed.items()
        )
        yield f"  [dim]{result.name}, failed: {escape(told)}[/]"
    if result.lag_s > 0.02:
        yield (
            f"  [yellow]{result.name}: this machine was busy, the load itself was"
            f" {result.lag_s * 1000:.0f} ms late (p99)[/]"
        )


def show_history(out: Console, results: Sequence[DrillResult]) -> None:
    """One line a drill: its last results as signs, oldest first, and the newest figures."""
    from rich.table import Table

    rows: defaultdict[tuple[str, str], list[DrillResult]] = defaultdict(list)
    for result in results:
        rows[result.name, result.without].append(result)
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("drill", "made", "trend", "well again", "failed", "last", "verdict"):
        table.add_column(
            title,
            justify="right" if title in ("made", "well again", "failed") else "left",
            no_wrap=True,
        )
    for (name, without), made in sorted(rows.items()):
        last = made[-1]
        signs = "".join(f"[{STYLE[one.verdict]}]{SIGN[one.verdict]}[/]" for one in made[-LAST:])
        times = " → ".join(_show_seconds(one.recover_s) for one in made[-2:])
        fails = " → ".join(str(one.failures) for one in made[-2:])
        when = datetime.fromtimestamp(last.started, UTC).strftime("%Y-%m-%d %H:%M")
        shown = f"{name} [dim]without {without}[/]" if without else name
        table.add_row(
            shown,
            str(len(made)),
            signs,
            times,
            fails,
            when,
            f"[{STYLE[last.verdict]}]{last.verdict}[/]",
        )
    out.print(table)
