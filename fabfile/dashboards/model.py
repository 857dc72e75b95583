"""What a dashboard is, as data: tiles, graphs and marks, each with its query. The page and the
Grafana files are made from it."""

from __future__ import annotations

from dataclasses import dataclass

WINDOW = "$window"
"""In a query: the time over which a rate is taken. It grows with the range that is shown."""

HOST = "host"
"""The label that names the host a figure is about, as in the site file."""


@dataclass(frozen=True)
class Series:
    """One query. `legend` may hold labels: `{{host}}`."""

    legend: str
    query: str


@dataclass(frozen=True)
class Tile:
    """One number in large type. `query` answers with one value, or one a label set: the worst
    counts.

    It is red above `bad_above` or below `bad_below`."""

    title: str
    unit: str
    query: str
    bad_above: float | None = None
    bad_below: float | None = None


@dataclass(frozen=True)
class Graph:
    """One picture over time. `unit` is `/s`, `%` (of 1), `s`, `B`, `d` (days) or empty: a count."""

    title: str
    unit: str
    series: tuple[Series, ...]
    bound: float | None = None
    """A line that the curves should stay on one side of, in `unit`."""
    steps: bool = False
    """Whether a value holds until the next one: for states."""
    most: float | None = None
    """The upper end of the axis, where it is known."""


def curve(
    title: str,
    unit: str,
    legend: str,
    query: str,
    *,
    bound: float | None = None,
    steps: bool = False,
    most: float | None = None,
) -> Graph:
    """A graph of one query."""
    return Graph(title, unit, (Series(legend, query),), bound=bound, steps=steps, most=most)


@dataclass(frozen=True)
class Dashboard:
    """One page."""

    name: str
    title: str
    question: str
    """What a reader wants to know here, in a few words."""
    tiles: tuple[Tile, ...]
    graphs: tuple[Graph, ...]


@dataclass(frozen=True)
class GraphMark:
    """A moment that is drawn on every graph: whenever the value of a series of `query` changes.

    `legend` may hold labels."""

    kind: str
    legend: str
    query: str
