"""What `fab top` shows: rates per edge, node and endpoint, as tables and as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..alerts.objectives import service_objectives
from ..control.edge_counts import EdgeCounts
from ..control.front import Front
from ..control.live_rates import EdgeRates, Rate, add_rates, add_up, find_rates
from ..engine.errors import RunbookError
from ..engine.secret import mask_secrets
from ..settings.service import Service

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

NAME_WIDTH, HOST_WIDTH = 24, 10
"""Characters of the first column: of endpoints, and of hosts, whose state needs the room."""


@dataclass
class EdgeFeed:
    """What is known of one edge: its last two readings, or why there is none."""

    name: str
    before: EdgeCounts | None = None
    now: EdgeCounts | None = None
    error: RunbookError | None = None

    def take(self, news: EdgeCounts | RunbookError) -> None:
        """Keep a new reading, or the reason that there is none."""
        if isinstance(news, RunbookError):
            # A rate over the time of an outage would be no live rate.
            self.before, self.now, self.error = None, None, news
        else:
            self.before, self.now, self.error = self.now, news, None

    @property
    def is_known(self) -> bool:
        """Whether there is something to show: rates, or the reason that there are none."""
        return self.before is not None or self.error is not None

    @property
    def counts_users(self) -> bool:
        """Whether this edge counts what users get at nginx."""
        return self.now is not None and self.now.users is not None

    @property
    def rates(self) -> EdgeRates:
        """The rates between the last two readings; empty without them."""
        return find_rates(self.before, self.now) if self.before and self.now else EdgeRates()


def endpoint_titles(service: Service) -> dict[str, str]:
    """What to call each endpoint; `other` is every request that none of them matches."""
    return {endpoint.name: endpoint.title for endpoint in service.endpoints} | {"other": "other"}


def describe_edge(feed: EdgeFeed, front: Front) -> tuple[str, str]:
    """What an edge does, and the style of that. `front`: how users reach the edges."""
    if feed.error:
        return mask_secrets(str(feed.error)), "bold red"
    if feed.now is None:
        return "not read yet", "dim"
    if not feed.now.endpoints:
        return "HAProxy does not answer", "bold red"
    if feed.now.drained:
        return f"drained: {feed.now.drained}", "yellow"
    serves, waits = front.words
    return (serves, "green") if feed.now.serves else (waits, "dim")


def describe_node(node: str, feeds: Sequence[EdgeFeed]) -> tuple[str, str]:
    """How the edges see a node, and the style of that."""
    states = {
        feed.name: feed.now.states.get(node, "unknown")
        for feed in feeds
        if feed.now and feed.now.states
    }
    if not states:
        return "not known", "yellow"
    words = set(states.values())
    reasons = [feed.now.reasons.get(node, "") for feed in feeds if feed.now]
    if len(words) > 1:
        text = ", ".join(f"{word} on {edge}" for edge, word in states.items())
    else:
        text = words.pop()
    if reason := next(filter(None, reasons), ""):
        text += f": {reason}"
    if all(word.startswith("UP") for word in states.values()):
        return text, "green"
    return text, "yellow" if set(states.values()) <= {"drained", "restarting"} else "bold red"


def view_rates(
    service: Service,
    feeds: Sequence[EdgeFeed],
    nodes: Sequence[str],
    totals: str,
    *,
    front: Front,
    live: bool,
) -> Group:
    """The whole picture: edges and nodes, endpoints, and the line of `totals`."""
    from rich.console import Group
    from rich.text import Text

    rates = [feed.rates for feed in feeds]
    hosts = _make_table("edge, node", "mean", "state", name_width=HOST_WIDTH)
    for feed, edge_rates in zip(feeds, rates, strict=True):
        total = add_rates(edge_rates.endpoints.values())
        state = describe_edge(feed, front)
        hosts.add_row(Text(feed.name, "bold"), *_cells(total), "", Text(*state))
    node_rates = add_up([rate.nodes for rate in rates])
    for node in nodes:
        rate = node_rates.get(node, Rate())
        state = describe_node(node, feeds)
        mean = "" if rate.mean_ms is None else f"{rate.mean_ms:.0f} ms"
        hosts.add_row(Text(node, "bold"), *_cells(rate), mean, Text(*state))
    endpoints = _endpoint_table(
        service,
        add_up([rate.endpoints for rate in rates]),
        at_nginx=any(feed.counts_users for feed in feeds),
    )
    line = Text.from_markup(totals)
    # A low screen cuts off the end, so the totals come first there.
    return Group(line, "", hosts, "", endpoints) if live else Group(hosts, "", endpoints, "", line)


def _endpoint_table(service: Service, rates: Mapping[str, Rate], *, at_nginx: bool) -> Table:
    from rich.text import Text

    columns = (
        ("endpoint (at nginx)", "p50", "p90") if at_nginx else ("endpoint (at HAProxy)", "mean")
    )
    table = _make_table(*columns)
    bounds = {
        objective.endpoint.name: objective.within
        for objective in service_objectives(service)
        if objective.within
    }
    shares = {endpoint.name: service.error_share(endpoint) for endpoint in service.endpoints}
    for name, title in endpoint_titles(service).items():
        rate = rates.get(name, Rate())
        style = "" if rate.requests or rate.queued or rate.in_flight else "dim"
        cells = _cells(rate, shares.get(name, 0.01))
        if at_nginx:
            late = bounds.get(name, math.inf)
            times = [_show_percentile(rate.percentile(share), late) for share in (0.5, 0.9)]
        else:
            times = [Text("" if rate.mean_ms is None else f"{rate.mean_ms:.0f} ms")]
        table.add_row(Text(title, style), *cells, *times)
    return table


def _make_table(name: str, *others: str, name_width: int = NAME_WIDTH) -> Table:
    from rich.table import Table

    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(name, min_width=name_width, no_wrap=True)
    for title in ("req/s", "errors", "queue", "open", *others):
        is_text = title == "state"
        width = None if is_text else 7 if title in ("errors", "p50", "p90") else 6
        table.add_column(
            title,
            justify="left" if is_text else "right",
            no_wrap=not is_text,
            min_width=width,
        )
    return table


def _cells(rate: Rate, allowed_share: float = 0.01) -> Iterator[Text]:
    """Requests, errors, queue and open requests of a row."""
    from rich.text import Text

    requests = f"{rate.requests:.1f}" if rate.requests < 100 else f"{rate.requests:.0f}"
    yield Text(requests) if rate.requests else Text("·", "dim")
    share = rate.error_share
    if share is None:
        yield Text("·", "dim")
    else:
        yield Text(f"{share * 100:.1f} %", "bold red" if share > allowed_share else "")
    yield Text(str(rate.queued), "yellow") if rate.queued else Text("·", "dim")
    yield Text(str(rate.in_flight)) if rate.in_flight else Text("·", "dim")


def _show_percentile(bound: float | None, late: float) -> Text:
    """A bound of the histogram, red if it is above `late` seconds. What lies between two bounds is
    not known, so it is shown as at most the upper bound."""
    from rich.text import Text

    if bound is None:
        return Text("·", "dim")
    text = show_bound(bound)
    return Text(text, "bold red" if bound > late else "")


def show_bound(seconds: float) -> str:
    """`≤ 50 ms` or `≤ 2 s`; `slow` above the last bound."""
    if math.isinf(seconds):
        return "slow"
    return f"≤{seconds * 1000:.0f} ms" if seconds < 1 else f"≤{seconds:g} s"


def rates_as_json(
    service: Service, feeds: Sequence[EdgeFeed], nodes: Sequence[str], *, front: Front
) -> dict[str, Any]:
    """The same as data. Rates are per second, shares from 0 to 1, bounds in seconds."""
    rates = [feed.rates for feed in feeds]
    by_node = add_up([rate.nodes for rate in rates])
    by_endpoint = add_up([rate.endpoints for rate in rates])
    return {
        "edges": [
            {
                "edge": feed.name,
                "state": describe_edge(feed, front)[0],
                "reachable": feed.error is None,
                "counted_at": "nginx" if feed.counts_users else "haproxy",
                "sessions": feed.now.sessions if feed.now else None,
                **_rate_json(add_rates(rate.endpoints.values())),
            }
            for feed, rate in zip(feeds, rates, strict=True)
        ],
        "nodes": [
            {
                "node": node,
                "state": describe_node(node, feeds)[0],
                **_rate_json(by_node.get(node, Rate())),
            }
            for node in nodes
        ],
        "endpoints": [
            {"endpoint": name, "call": title, **_rate_json(by_endpoint.get(name, Rate()))}
            for name, title in endpoint_titles(service).items()
        ],
    }


def _rate_json(rate: Rate) -> dict[str, float | None]:
    def rounded(value: float | None) -> float | None:
        return None if value is None or math.isinf(value) else round(value, 4)

    return {
        "requests": rounded(rate.requests),
        "error_share": rounded(rate.error_share),
        "queued": rate.queued,
        "in_flight": rate.in_flight,
        "mean_ms": rounded(rate.mean_ms),
        "p50_at_most": rounded(rate.percentile(0.5)),
        "p90_at_most": rounded(rate.percentile(0.9)),
    }
