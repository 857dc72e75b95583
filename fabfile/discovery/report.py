"""A discovery for people (tables) and for machines (plain data)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .model import Discovery, Facts, TrailRow

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


def show_discovery(console: Console, discovery: Discovery) -> None:
    """Print the trail and the settings found."""
    console.print(
        trail_table(discovery.trail), "", facts_table(discovery.facts, discovery.occupied), ""
    )


def trail_table(trail: Sequence[TrailRow], title: str = "") -> RenderableType:
    """Return the trail as a table, a row for every attempt."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", pad_edge=False, show_edge=False)
    table.add_column("#", justify="right")
    for head, ratio in (("command", 2), ("result", 3), ("conclusion", 5), ("action", 3)):
        table.add_column(head, ratio=ratio, overflow="fold")
    table.add_column("s", justify="right")
    for row in trail:
        texts = map(escape, (row.ran, row.observed, row.concluded, row.did))
        table.add_row(str(row.number), *texts, f"{row.seconds:.1f}")
    return table


def facts_table(found: Facts, occupied: str = "") -> RenderableType:
    """Return the settings found as a table, without those that the program does not have."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        title="Settings found",
        title_justify="left",
        pad_edge=False,
        show_edge=False,
        show_header=False,
    )
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in list_settings(found, occupied):
        table.add_row(name, escape(value))
    return table


def list_settings(found: Facts, occupied: str = "") -> list[tuple[str, str]]:
    """Return the settings found as pairs of plain texts."""
    pairs: list[tuple[str, Iterable[object] | None]] = [
        ("serves with", found.command or ("no argument",)),
        ("listens at", [", ".join(map(str, found.ports))]),
        ("port held by", [occupied] if occupied else None),
        (
            "starts in",
            [f"{found.seconds:.1f} s (under strace)"] if found.seconds is not None else None,
        ),
        ("version", [found.version] if found.version else None),
        ("configuration", [found.config] if found.config else None),
        ("prints defaults with", found.default_config_command),
        ("also reads", found.files),
        ("appends to", found.logs),
        ("uses directories", found.directories),
        ("calls to reject", found.reject),
        ("calls", found.calls),
        ("prepares data with", found.prepare_command),
        ("binary sha256", [found.binary_sha256]),
    ]
    pairs += [("prints", [line]) for line in found.said or ()]
    return [(name, " ".join(map(str, values))) for name, values in pairs if values]


def as_dict(discovery: Discovery) -> dict[str, Any]:
    """Return plain data for `--json`."""
    return {
        "facts": {**discovery.facts.to_json(), "identity": discovery.facts.identity},
        "occupied": discovery.occupied,
        "trail": [row._asdict() for row in discovery.trail],
    }
