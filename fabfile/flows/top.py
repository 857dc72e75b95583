"""`fab top`: live rates per edge, node and endpoint, from the edges' own counters."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..console.json_file import write_json
from ..console.keyboard import listen_for_keys
from ..console.rollup import open_console
from ..control.edge_counts import EdgeCounts, counts_probes, parse_counts
from ..control.live_rates import add_rates
from ..control.site_front import find_front
from ..engine.errors import OK, UNREACHABLE, RunbookError
from ..engine.fleet import Fleet
from ..engine.host import Node
from ..roles import exporters
from ..settings.reach import open_fleet
from ..settings.settings import Settings
from .top_table import EdgeFeed, rates_as_json, view_rates

if TYPE_CHECKING:
    from rich.console import Console, Group

SHORTEST, LONGEST = 0.5, 60.0
"""Bounds of `--every` in seconds. A reading takes an edge about 50 ms."""

News = tuple[str, EdgeCounts | RunbookError]
"""An edge, and its new reading or the reason that there is none."""

Arrivals = queue.Queue[News | str]
"""What the main thread waits for: news of an edge, or a key."""


@dataclass(frozen=True)
class TopOptions:
    """The options of `fab top`.

    Attributes:
        every: seconds between two readings, as typed.
        once: print one table and end.
        json: where to write one reading as JSON; None writes none.
    """

    every: str = "2"
    once: bool = False
    json: str | None = None


def show_top(settings: Settings, names: Sequence[str], options: TopOptions) -> int:
    """Show the rates at the edges called `names` (all, without names), until `q` or Ctrl-C.

    Without a terminal, with `once` or with `json` it shows the rates of one interval and ends.

    Returns:
        The exit code: 4 if an edge could not be read at the end.

    Raises:
        RunbookError: `every` is out of its bounds, or a name is unknown or not that of an edge.
    """
    every = _parse_interval(options.every)
    edges = _select_edges(settings, names)
    out, picture = open_console(options.json), Picture(settings, edges, every)
    with (
        open_fleet(settings, edges, readonly=True) as fleet,
        _reading(settings, fleet, every) as arrived,
    ):
        if out.is_terminal and not options.once and options.json is None:
            _show_live(out, picture, arrived)
        else:
            _take_until_known(picture, arrived)
    out.print(picture.view(live=False))
    write_json(picture.as_json(), options.json)
    return UNREACHABLE if any(feed.error for feed in picture.feeds) else OK


class Picture:
    """What is known of all edges, and how to show it."""

    def __init__(self, settings: Settings, edges: Sequence[Node], every: float) -> None:
        self.site, self.every = settings.name, every
        self.program = settings.program
        self.front = find_front(settings)
        self.nodes = [node.name for node in settings.inventory.having("app")]
        self._feeds = {edge.name: EdgeFeed(edge.name) for edge in edges}

    @property
    def feeds(self) -> list[EdgeFeed]:
        """The edges, in the order of the site file."""
        return list(self._feeds.values())

    def take(self, news: News) -> None:
        """Keep a new reading of an edge, or the reason that there is none."""
        edge, reading = news
        self._feeds[edge].take(reading)

    def view(self, *, live: bool) -> Group:
        """The tables; `live`: for a screen that is drawn again and again."""
        totals = _totals_line(self.feeds, self.every, live=live)
        return view_rates(self.program, self.feeds, self.nodes, totals, front=self.front, live=live)

    def as_json(self) -> dict[str, Any]:
        """The same as data."""
        rows = rates_as_json(self.program, self.feeds, self.nodes, front=self.front)
        return {"site": self.site, "every": self.every, **rows}


def _parse_interval(typed: str) -> float:
    try:
        every = float(typed)
    except ValueError:
        every = 0.0
    if SHORTEST <= every <= LONGEST:
        return every
    raise RunbookError(
        f"--every {typed} is not a time between {SHORTEST:g} and {LONGEST:g} seconds",
        "nothing was read",
        "fab top --every 2",
    )


def _select_edges(settings: Settings, names: Sequence[str]) -> tuple[Node, ...]:
    edges = settings.inventory.select(names, {"edge"})
    others = [edge.name for edge in edges if "edge" not in edge.roles]
    if others or not edges:
        problem = f"{', '.join(others)} is no edge" if others else "the site has no edge"
        known = ",".join(edge.name for edge in settings.inventory.having("edge"))
        raise RunbookError(
            problem,
            "requests are counted at the edges: also those of each app node",
            f"fab -H {known} top" if known else f"give a host the role edge in {settings.path}",
        )
    return edges


@contextmanager
def _reading(settings: Settings, fleet: Fleet, every: float) -> Iterator[Arrivals]:
    """Within this context, each edge of `fleet` is read by a thread of its own."""
    arrived: Arrivals = queue.Queue()
    ended = threading.Event()
    for edge in fleet:
        work = (settings, fleet, edge, every, arrived, ended)
        threading.Thread(target=_read_edge, args=work, daemon=True).start()
    try:
        yield arrived
    finally:
        ended.set()


def _read_edge(
    settings: Settings,
    fleet: Fleet,
    edge: Node,
    every: float,
    arrived: Arrivals,
    ended: threading.Event,
) -> None:
    """Read `edge` in one ssh session until `ended`. A lost edge is tried again."""
    nodes = settings.inventory.having("app")
    users_port = exporters.EDGE.port if settings.monitors else 0
    probes = counts_probes(settings, edge, users_port)
    while not ended.is_set():
        try:
            for readings in fleet.link(edge).read_again(probes, every=every):
                arrived.put((edge.name, parse_counts(nodes, readings)))
            error = RunbookError(f"{edge.name} ended the reading", "", "fab status")
        except RunbookError as caught:
            error = caught
        arrived.put((edge.name, error))
        ended.wait(every)


def _take_until_known(picture: Picture, arrived: Arrivals) -> None:
    while not all(feed.is_known for feed in picture.feeds):
        news = arrived.get()
        if isinstance(news, tuple):
            picture.take(news)


def _show_live(out: Console, picture: Picture, arrived: Arrivals) -> None:
    """Show each new reading on a screen of its own, until `q` or Ctrl-C."""
    from rich.live import Live

    with (
        listen_for_keys(arrived.put),
        Live(picture.view(live=True), console=out, screen=True, auto_refresh=False) as screen,
        suppress(KeyboardInterrupt),
    ):
        while (news := arrived.get()) != "q":
            if isinstance(news, tuple):
                picture.take(news)
            screen.update(picture.view(live=True), refresh=True)


def _totals_line(feeds: Sequence[EdgeFeed], every: float, *, live: bool) -> str:
    total = add_rates(rate for feed in feeds for rate in feed.rates.endpoints.values())
    parts = [f"{total.requests:.1f} requests/s"]
    if total.error_share is not None:
        parts.append(f"{total.error_share * 100:.1f} % errors")
    parts.append(f"{datetime.now(UTC):%H:%M:%S} UTC")
    parts.append(f"every {every:g} s, q ends" if live else f"over {every:g} s")
    return "[bold]top[/]: " + " · ".join(parts)
