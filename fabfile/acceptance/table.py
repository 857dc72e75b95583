"""Print the outcome of a check: a table, the failures, remarks and totals."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from typing import TYPE_CHECKING

from rich.markup import escape

from ..settings.requirements import Group
from .freshness import Fresh
from .outcome import CheckOutcome
from .row import Row, Verdict, show_ms

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

VERDICT_STYLES = {
    Verdict.HELD: "green",
    Verdict.FAILED: "bold red",
    Verdict.UNPROVEN: "yellow",
    Verdict.NOT_TRIED: "dim",
}
FRESH_CELLS = {
    Fresh.PROVEN: "[green]proven[/]",
    Fresh.LIKELY: "likely",
    Fresh.CACHED: "[bold red]CACHED[/]",
    Fresh.UNKNOWN: "[yellow]?[/]",
}
BLOCKS = "▁▂▃▄▅▆▇█"

TREND = "p90 trend"
COLUMNS = ("", "what", "asked", "n", "errors", "p50", "p90", "p99", TREND, "fresh", "verdict")
FIGURE_COLUMNS = ("n", "errors", "p50", "p90", "p99")
DEFAULT_WIDTH = 120

MIN_WIDTHS = {TREND: DEFAULT_WIDTH, "p50": 106, "fresh": 98, "p99": 90}
"""The width of the console, in characters, from which these columns fit."""

PADDED_WIDTH = 132
"""The width of the console from which there is room for padding."""

SHOWN_IDS = 10
"""How many leftover rows are listed by id."""


def show_outcome_table(outcome: CheckOutcome, console: Console) -> None:
    """Print the table, then the failures with the next command, then remarks and totals."""
    console.print()
    console.print(requirement_table(outcome, console.width))
    for line in (*_failure_lines(outcome.rows), *_remark_lines(outcome), _total_line(outcome)):
        console.print(line, highlight=False)


FOLDED_WIDTHS = {"what": 18, "asked": 15}
"""Columns whose text goes on in further lines where the console is narrow, with the fewest
characters in a line."""


def requirement_table(outcome: CheckOutcome, width: int = DEFAULT_WIDTH) -> Table:
    """One line for each row, with the columns that fit into `width` characters."""
    from rich import box
    from rich.table import Table

    started = datetime.fromtimestamp(outcome.started, UTC).strftime("%Y-%m-%d %H:%M UTC")
    padding = 1 if width >= PADDED_WIDTH else 0
    table = Table(
        title=f"Acceptance of {outcome.address} · {outcome.plan.name} run · {started}",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, padding, 0, 0),
    )
    shown = [column for column in COLUMNS if MIN_WIDTHS.get(column, 0) <= width]
    for column in shown:
        table.add_column(
            "" if column == "verdict" else column,  # a verdict needs no title
            style="dim" if column == "asked" else "",
            justify="right" if column in FIGURE_COLUMNS else "left",
            no_wrap=column not in FOLDED_WIDTHS,
            min_width=FOLDED_WIDTHS.get(column),
        )
    for row, following in zip_longest(outcome.rows, outcome.rows[1:]):
        cells = _row_cells(row, outcome.program.load.latency_bound)
        ends_group = following is not None and row.requirement.group != following.requirement.group
        table.add_row(*(cells[column] for column in shown), end_section=ends_group)
    return table


def _row_cells(row: Row, usual_bound: float) -> dict[str, str]:
    """The cells of a row by column. `usual_bound`: the latency bound of a row without its own."""
    figures = row.figures
    number, errors = "", ""
    if figures.n:
        number = f"{figures.n:,}".replace(",", " ")
        errors = f"[red]{figures.errors}[/]" if figures.errors else "0"
    p90 = _short_latency(figures.p90)
    if row.p90_bound is not None and figures.p90 is not None and figures.p90 >= row.p90_bound:
        p90 = f"[red]{p90}[/]"
    return {
        "": f"[bold]{row.id}[/]",
        "what": escape(row.name),
        "asked": row.asked,
        "n": number,
        "errors": errors,
        "p50": _short_latency(figures.p50),
        "p90": p90,
        "p99": _short_latency(figures.p99),
        TREND: sparkline(figures.line, row.p90_bound or usual_bound),
        "fresh": FRESH_CELLS[row.fresh.state] if row.fresh else "",
        "verdict": f"[{VERDICT_STYLES[row.verdict]}]{row.verdict}[/]",
    }


def _short_latency(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if math.isinf(seconds):
        return "error"
    # Anything above would be rounded to "1 000 ms".
    return show_ms(seconds) if seconds < 0.9995 else f"{seconds:.1f} s"


def sparkline(latencies: Sequence[float | None], bound: float) -> str:
    """Latencies in block characters; a full red block is at or above the bound (seconds)."""
    line = ""
    for latency in latencies:
        if latency is None:
            line += " "
        elif latency >= bound:
            line += f"[red]{BLOCKS[-1]}[/]"
        else:
            line += f"[green]{BLOCKS[int(latency / bound * len(BLOCKS))]}[/]"
    return line


def _failure_lines(rows: Sequence[Row]) -> Iterator[str]:
    """The rows that did not hold, each with its reason and the next command."""
    for row in rows:
        if row.verdict not in (Verdict.FAILED, Verdict.UNPROVEN):
            continue
        style = VERDICT_STYLES[row.verdict]
        yield f"[{style}]✗ {row.id} {escape(row.name)}[/]: {escape(row.why)}"
        worst = row.figures.worst
        if worst and row.p90_bound and (worst.errors or worst.p90 >= row.p90_bound):
            yield (
                f"  [dim]worst 10 s: from second {worst.start:.0f}, {worst.errors} errors of"
                f" {worst.n}, p90 {show_ms(worst.p90)}[/]"
            )
        if row.next:
            yield f"  [bold]next:[/] {escape(row.next)}"


def _remark_lines(outcome: CheckOutcome) -> Iterator[str]:
    """Remarks on rows that did not fail, each text once, and on the run as a whole."""
    ids_by_text: dict[str, list[str]] = {}
    for row in outcome.rows:
        for text in _row_remarks(row):
            ids_by_text.setdefault(text, []).append(row.id)
    for text, ids in ids_by_text.items():
        yield f"[dim]· {', '.join(dict.fromkeys(ids))} {escape(text)}[/]"
    if outcome.rows_left or outcome.rows_perhaps_left:
        yield f"[yellow]! {_describe_leftovers(outcome)}[/]"
    for text in (_describe_scale(outcome), _describe_proof(outcome)):
        if text:
            yield f"[dim]· {text}[/]"


def _row_remarks(row: Row) -> Iterator[str]:
    if row.verdict is Verdict.NOT_TRIED:
        yield f"not tried: {row.why}"
    elif row.verdict is Verdict.HELD and row.fresh and row.fresh.state is Fresh.LIKELY:
        yield f"likely fresh: {row.fresh.because}"
    yield from row.notes


def _describe_leftovers(outcome: CheckOutcome) -> str:
    parts = []
    if ids := outcome.rows_left:
        listed = ", ".join(map(str, ids[:SHOWN_IDS]))
        more = ", …" if len(ids) > SHOWN_IDS else ""
        parts.append(f"{len(ids)} rows created by this check still exist: {listed}{more}")
    if count := outcome.rows_perhaps_left:
        parts.append(f"{count} more may exist, their ids are not known")
    return "; ".join(parts)


def _total_line(outcome: CheckOutcome) -> str:
    counts = {verdict: sum(row.verdict is verdict for row in outcome.rows) for verdict in Verdict}
    verdicts = [
        f"[{VERDICT_STYLES[verdict]}]{count} {verdict}[/]"
        for verdict, count in counts.items()
        if count or verdict is Verdict.HELD
    ]
    requests = f"{outcome.requests:,}".replace(",", " ")
    generator = (
        f"load generator lag {outcome.lag_p99 * 1000:.1f} ms (p99),"
        f" {outcome.cpu_share * 100:.0f} % of a core"
    )
    if outcome.doubtful:
        generator = f"[yellow]{generator}[/]"
    return f"{', '.join(verdicts)} · {requests} requests in {outcome.seconds:.0f} s · {generator}"


def _describe_scale(outcome: CheckOutcome) -> str:
    """The numbers of rows that differ from the usual ones; empty if none does."""
    unusual = [
        f"{id} has {known.top:,}".replace(",", " ")
        for id, known in outcome.ranges.items()
        if known.known and known.why
    ]
    return f"not the usual number of rows: {', '.join(unusual)}" if unusual else ""


def _describe_proof(outcome: CheckOutcome) -> str:
    """What the run proves for the single answers; empty if one of them failed."""
    group = Group.SINGLE_ANSWERS
    single = [row for row in outcome.rows if row.requirement.group is group and row.figures.n]
    proven = [row for row in single if row.verdict is not Verdict.FAILED]
    if not single or len(proven) < len(single):
        return ""
    fewest = min(row.figures.n for row in proven)
    errors = 100 * max(row.figures.error_upper for row in proven)
    slow = 100 * max(row.figures.slow_upper for row in proven)
    bounds = sorted({row.p90_bound for row in proven if row.p90_bound})
    of = "their bound" if len(bounds) > 1 else show_ms(bounds[0])
    ids = ", ".join(row.id for row in single)
    return (
        f"proven with 95 % confidence for each of {ids} (n = {fewest}):"
        f" at most {errors:.2g} % errors, at most {slow:.2g} % of {of} or more"
    )
