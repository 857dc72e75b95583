"""Tables for the terminal: the list of drills, results, their trend."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..settings.load import PromisedLoad
from .model import Drill
from .result import FAILED, HELD, NOT_TRIED, DrillResult

if TYPE_CHECKING:
    from rich.console import Console

STYLE = {HELD: "green", FAILED: "bold red", NOT_TRIED: "dim"}
SIGN = {HELD: "✓", FAILED: "✗", NOT_TRIED: "·"}
LAST = 12
"""Results of each drill that the trend shows."""


def show_list(out: Console, drills: Sequence[Drill], load: PromisedLoad) -> None:
    """Show every drill: hypothesis, load, duration, abort condition and requirements."""
    from rich.table import Table

    table = Table(box=None, header_style="dim", pad_edge=False)
    for title in (
        "fab drill.…",
        "hypothesis",
        "load",
        "duration",
        "abort condition",
        "requirements",
    ):
        table.add_column(title, no_wrap=title in ("fab drill.…", "load"))
    for drill in drills:
        duration = f"{drill.hold:.0f} s" if drill.hold else "until recovered"
        table.add_row(
            f"[bold]{drill.name}[/]",
            drill.hypothesis,
            f"{drill.rate_of(load):.0f}/s",
            duration,
            drill.describe_abort(load),
            " ".join(drill.requirements),
        )
    out.print(table)


def show_results(out: Console, results: Sequence[DrillResult]) -> None:
    """Show the table of figures, then the failures with reasons, then one line of totals."""
    from rich.table import Table

    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 1, 0, 0))
    for title in ("drill", "", "requests", "failed", "budget", "gap", "detected", "recovered"):
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
    totals = " · ".join(
        f"[{STYLE[verdict]}]{count} {verdict}[/]" for verdict, count in counts.items() if count
    )
    out.print(f"[bold]drills[/]: {totals} · {sum(result.seconds for result in results):.0f} s")


def result_line(result: DrillResult) -> str:
    """One result in one line, shown while other drills still run."""
    sign = f"[{STYLE[result.verdict]}]{SIGN[result.verdict]} {result.name}[/]"
    if not result.requests:
        return f"{sign} [dim]{result.verdict}[/]"
    figures = (
        f"{result.failures} of {result.requests} failed, gap {result.gap_s:.2f} s, recovered after"
        f" {_show_seconds(result.recover_s)}"
    )
    return f"{sign} [dim]{figures}[/]"


def _result_cells(result: DrillResult) -> list[str]:
    name, verdict = _shown_name(result), _shown_verdict(result)
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
        kinds_text = "; ".join(
            f"{endpoint} " + ", ".join(f"{count} {kind}" for kind, count in kinds.items())
            for endpoint, kinds in result.failed.items()
        )
        yield f"  [dim]{result.name}, failed: {escape(kinds_text)}[/]"
    if result.lag_s > 0.02:
        yield (
            f"  [yellow]{result.name}: this machine was busy; load generator lag"
            f" {result.lag_s * 1000:.0f} ms (p99)[/]"
        )


def show_history(out: Console, results: Sequence[DrillResult]) -> None:
    """Show one line per drill: its last results as signs, oldest first, and the newest figures."""
    from rich.table import Table

    rows: defaultdict[tuple[str, str], list[DrillResult]] = defaultdict(list)
    for result in results:
        rows[result.name, result.without].append(result)
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("drill", "runs", "trend", "recovered", "failed", "last", "verdict"):
        table.add_column(
            title,
            justify="right" if title in ("runs", "recovered", "failed") else "left",
            no_wrap=True,
        )
    for _, made in sorted(rows.items()):
        table.add_row(*_trend_cells(made))
    out.print(table)


def _trend_cells(made: Sequence[DrillResult]) -> Iterator[str]:
    """The cells of one drill; `made`: its results, oldest first."""
    last = made[-1]
    yield _shown_name(last)
    yield str(len(made))
    yield "".join(f"[{STYLE[result.verdict]}]{SIGN[result.verdict]}[/]" for result in made[-LAST:])
    yield " → ".join(_show_seconds(result.recover_s) for result in made[-2:])
    yield " → ".join(str(result.failures) for result in made[-2:])
    yield datetime.fromtimestamp(last.started, UTC).strftime("%Y-%m-%d %H:%M")
    yield _shown_verdict(last)


def _shown_name(result: DrillResult) -> str:
    return f"{result.name} [dim]without {result.without}[/]" if result.without else result.name


def _shown_verdict(result: DrillResult) -> str:
    return f"[{STYLE[result.verdict]}]{result.verdict}[/]"
