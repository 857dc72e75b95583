"""The table at the end."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from typing import TYPE_CHECKING

from rich.markup import escape

from ..settings.requirements import LATENCY_BOUND, Group, requirements_of
from .freshness import Fresh
from .row import Row, Verdict, show_ms
from .run import CheckOutcome

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

COLOURS = {
    Verdict.HELD: "green",
    Verdict.FAILED: "bold red",
    Verdict.UNPROVEN: "yellow",
    Verdict.NOT_TRIED: "dim",
}
BLOCKS = "▁▂▃▄▅▆▇█"
FRESH = {
    Fresh.PROVEN: "[green]proven[/]",
    Fresh.LIKELY: "likely",
    Fresh.CACHED: "[bold red]CACHED[/]",
    Fresh.UNKNOWN: "[yellow]?[/]",
}
WIDE, ROOMY = 120, 132
FROM = {"p90 in time": WIDE, "p50": 106, "fresh": 98, "p99": 90}
"""Columns of a console from which it shows everything, from which it does so with air, and from
which these."""


def show_outcome_table(outcome: CheckOutcome, console: Console) -> None:
    """Print the table, then what did not hold and what to do about it, then what it is worth and
    one line of totals."""
    console.print()
    console.print(requirement_table(outcome, console.width))
    for line in (*_print_failures(outcome.rows), *_print_remarks(outcome), _total_line(outcome)):
        console.print(line, highlight=False)


def requirement_table(outcome: CheckOutcome, width: int = WIDE) -> Table:
    """One line per requirement, with what fits into `width` columns."""
    from rich import box
    from rich.table import Table

    when = datetime.fromtimestamp(outcome.started, UTC).strftime("%Y-%m-%d %H:%M UTC")
    title = f"Acceptance of {outcome.address} · {outcome.plan.name} run · {when}"
    made = Table(
        title=title, box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, int(width >= ROOMY), 0, 0)
    )
    for name in (
        "",
        "what",
        "asked",
        "n",
        "errors",
        "p50",
        "p90",
        "p99",
        "p90 in time",
        "fresh",
        "",
    ):
        if FROM.get(name, 0) <= width:
            right = name in ("n", "errors", "p50", "p90", "p99")
            style = "dim" if name == "asked" else ""
            made.add_column(
                name, style=style, justify="right" if right else "left", no_wrap=name != "asked"
            )
    for row, after in zip_longest(outcome.rows, outcome.rows[1:]):
        cells = _row_cells(row)
        made.add_row(
            *(cell for name, cell in cells if FROM.get(name, 0) <= width),
            end_section=after is not None and row.requirement.group != after.requirement.group,
        )
    return made


def _row_cells(row: Row) -> list[tuple[str, str]]:
    figures, n = row.figures, bool(row.figures.n)
    errors = f"[red]{figures.errors}[/]" if figures.errors else "0"
    late = row.timed and figures.p90 is not None and figures.p90 >= LATENCY_BOUND
    return [
        ("", f"[bold]{row.id}[/]"),
        ("what", escape(row.name)),
        ("asked", row.asked),
        ("n", f"{figures.n:,}".replace(",", " ") if n else ""),
        ("errors", errors if n else ""),
        ("p50", _short_seconds(figures.p50)),
        ("p90", f"[red]{_short_seconds(figures.p90)}[/]" if late else _short_seconds(figures.p90)),
        ("p99", _short_seconds(figures.p99)),
        ("p90 in time", sparkline(figures.line)),
        ("fresh", FRESH[row.fresh.state] if row.fresh else ""),
        ("", f"[{COLOURS[row.verdict]}]{row.verdict}[/]"),
    ]


def _short_seconds(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return (
        "error"
        if math.isinf(seconds)
        else show_ms(seconds)
        if seconds < 0.9995
        else f"{seconds:.1f} s"
    )


def sparkline(line: Sequence[float | None]) -> str:
    """A latency over time in block characters; the highest, in red, is the bound or more."""
    told = ""
    for value in line:
        if value is None:
            told += " "
        elif value >= LATENCY_BOUND:
            told += "[red]█[/]"
        else:
            told += f"[green]{BLOCKS[int(value / LATENCY_BOUND * 8)]}[/]"
    return told


def _print_failures(rows: Sequence[Row]) -> Iterator[str]:
    """What did not hold, each with its reason and what to do next."""
    for row in rows:
        if row.verdict not in (Verdict.FAILED, Verdict.UNPROVEN):
            continue
        yield f"[{COLOURS[row.verdict]}]✗ {row.id} {escape(row.name)}[/]: {escape(row.why)}"
        if (
            (worst := row.figures.worst)
            and row.timed
            and (worst.errors or worst.p90 >= LATENCY_BOUND)
        ):
            told = (
                f"from second {worst.start:.0f}: {worst.errors} errors of {worst.n}, p90"
                f" {show_ms(worst.p90)}"
            )
            yield f"  [dim]the worst 10 s, {told}[/]"
        if row.next:
            yield f"  [bold]next:[/] {escape(row.next)}"


def _print_remarks(outcome: CheckOutcome) -> Iterator[str]:
    """What one should know of the rows that did not fail: not tried and why, noted, likely,
    scaled down, left behind."""
    said: dict[str, list[str]] = {}
    for row in outcome.rows:
        if row.verdict is Verdict.NOT_TRIED:
            said.setdefault(f"not tried: {row.why}", []).append(row.id)
        elif row.verdict is Verdict.HELD and row.fresh and row.fresh.state is Fresh.LIKELY:
            said.setdefault(f"likely fresh: {row.fresh.because}", []).append(row.id)
        for note in row.notes:
            said.setdefault(note, []).append(row.id)
    for text, ids in said.items():
        yield f"[dim]· {', '.join(dict.fromkeys(ids))} {escape(text)}[/]"
    if outcome.left or outcome.lost:
        yield f"[yellow]! {_rows_left(outcome)}[/]"
    yield from (
        f"[dim]· {text}[/]" for text in (_scale_remark(outcome), _proof_sentence(outcome)) if text
    )


def _rows_left(outcome: CheckOutcome) -> str:
    numbers = ", ".join(map(str, outcome.left[:10]))
    if len(outcome.left) > 10:
        numbers += ", …"
    parts = (
        [f"{len(outcome.left)} sessions made by this check are still there: {numbers}"]
        if outcome.left
        else []
    )
    parts += [f"{outcome.lost} made by it may be, their ids are not known"] if outcome.lost else []
    return "; ".join(parts)


def _total_line(outcome: CheckOutcome) -> str:
    counts = {verdict: sum(row.verdict is verdict for row in outcome.rows) for verdict in Verdict}
    parts = [
        f"[{COLOURS[v]}]{count} {v}[/]" for v, count in counts.items() if count or v is Verdict.HELD
    ]
    requests = f"{outcome.requests:,}".replace(",", " ")
    cpu = f"{outcome.cpu * 100:.0f} % of a core"
    own = f"load generator lag {outcome.lag * 1000:.1f} ms (p99), {cpu}"
    if outcome.doubtful:
        own = f"[yellow]{own}[/]"
    return f"{', '.join(parts)} · {requests} requests in {outcome.seconds:.0f} s · {own}"


def _scale_remark(outcome: CheckOutcome) -> str:
    """How many rows there are, where they are not as many as usual."""
    odd = [
        f"{id} has {known.top:,}".replace(",", " ")
        for id, known in outcome.ranges.items()
        if known.known and known.why
    ]
    return f"not the usual number of rows: {', '.join(odd)}" if odd else ""


def _proof_sentence(outcome: CheckOutcome) -> str:
    """What the run has proven of the single answers; empty when one of them failed."""
    single = requirements_of(Group.SINGLE_ANSWERS)
    peak = [row.figures for row in outcome.rows if row.timed and row.verdict is not Verdict.FAILED]
    if len(peak) < len(single):
        return ""
    n = min(figures.n for figures in peak)
    errors, slow = (
        100 * max(share)
        for share in zip(*((f.error_upper, f.slow_upper) for f in peak), strict=True)
    )
    ids = f"{single[0].id}-{single[-1].id}"
    proven = f"at most {errors:.2g} % errors, at most {slow:.2g} % of 400 ms or more"
    return f"proven with 95 % confidence for each of {ids} (n = {n}): {proven}"
