"""Symptoms: rules that call when users are served worse than promised. Pure.

They are made of what nginx tells of each answer at the edges, so what the cache answers counts as
well. Windows of 5 minutes and more are averages of a recorded rate: three days of raw figures would
cost Prometheus seconds each time.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..settings.service import Service
from .objectives import WINDOWS, BurnWindow, Objective, service_objectives
from .rule import AlertRule, RecordRule

RECORDED = "5m"
"""The window of the recorded rates, of which the longer ones are averages."""
RAW = ("30s", "2m", RECORDED)
"""Windows that are asked of the raw figures."""
RECORDED_LONG = ("6h", "1d", "3d")
"""Windows of which even a count is asked of the recorded rates."""
SLOW_STEP = 30
"""Seconds between two computations of what covers minutes to days: three days of a figure every 5 s
are many."""


def name_rate(kind: str, window: str) -> str:
    """The recorded rate of requests (`all`, `errors`, `slow`) of each endpoint."""
    return f"endpoint:edge_requests_{kind}:rate{window}"


def _bound(seconds: float) -> str:
    return f"{seconds:g}"


def rate_rules(service: Service) -> Iterator[RecordRule]:
    """Requests a second of each endpoint over all edges: all, failed, slow."""
    slow = [one for one in service_objectives(service) if one.within]
    for window in RAW:
        yield RecordRule(
            name_rate("all", window), f"sum by (endpoint) (rate(edge_requests_total[{window}]))"
        )
        # The second part gives an endpoint without any failure a zero; else it had no share.
        yield RecordRule(
            name_rate("errors", window),
            f'sum by (endpoint) (rate(edge_requests_total{{code=~"5.."}}[{window}]))'
            f" or {name_rate('all', window)} * 0",
        )
        parts = [
            _slow_rate(
                "|".join(one.endpoint.name for one in slow if one.within == bound), bound, window
            )
            for bound in sorted({one.within for one in slow})
        ]
        if parts:
            yield RecordRule(name_rate("slow", window), " or ".join(parts))


def _slow_rate(names: str, bound: float, window: str) -> str:
    """Answers later than `bound` seconds: all of them without those below the histogram's bound."""
    chosen = f'endpoint=~"{names}"'
    return (
        f"sum by (endpoint) (rate(edge_request_seconds_count{{{chosen}}}[{window}]))"
        " - sum by (endpoint) (rate(edge_request_seconds_bucket"
        f'{{{chosen},le="{_bound(bound)}"}}[{window}]))'
    )


def _share(objective: Objective, window: str) -> str:
    """The share of bad requests in a window."""
    chosen = f'{{endpoint="{objective.endpoint.name}"}}'
    bad, everything = (
        f"{name_rate(kind, window if window in RAW else RECORDED)}{chosen}"
        for kind in (objective.kind, "all")
    )
    if window not in RAW:
        bad, everything = (f"avg_over_time({one}[{window}])" for one in (bad, everything))
    return f"{bad} / {everything}"


def _expression(objective: Objective, window: BurnWindow) -> str:
    limit = f"{objective.limit(window):.6g}"
    parts = [f"{_share(objective, span)} > {limit}" for span in (window.long, window.short)]
    if window.now:
        parts.append(f"{_share(objective, window.now)} > {objective.budget:.6g}")
    if window.history:
        chosen = f'endpoint="{objective.endpoint.name}"'
        parts.append(f"{name_rate('all', RECORDED)}{{{chosen}}} offset {window.history} >= 0")
    if window.at_least:
        parts.append(f"({_bad_requests(objective, window.long)}) >= {window.at_least}")
    return " and ".join(parts)


def _bad_requests(objective: Objective, window: str) -> str:
    """How many bad requests a window had."""
    chosen = f'endpoint="{objective.endpoint.name}"'
    if window in RECORDED_LONG:
        rate = f"{name_rate(objective.kind, RECORDED)}{{{chosen}}}"
        return f"sum_over_time({rate}[{window}]) * {SLOW_STEP}"
    if not objective.within:
        return (
            f'sum by (endpoint) (increase(edge_requests_total{{{chosen},code=~"5.."}}[{window}]))'
        )
    return (
        f"sum by (endpoint) (increase(edge_request_seconds_count{{{chosen}}}[{window}]))"
        " - sum by (endpoint) (increase(edge_request_seconds_bucket"
        f'{{{chosen},le="{_bound(objective.within)}"}}[{window}]))'
    )


def _describe(objective: Objective, window: BurnWindow) -> AlertRule:
    title, within = objective.endpoint.title, objective.within
    share = "{{ $value | humanizePercentage }}"
    # A window of hours says little about this moment, and still fires when the trouble has ended.
    now = (
        f"{{{{ with query `{_share(objective, RAW[0])} > 0` }}}}"
        "{{ . | first | value | humanizePercentage }}{{ else }}0%{{ end }}"
    )
    happens = f"wait longer than {within:g} s" if within else "get an error"
    promise = (
        f"at most {100 * objective.budget:g} % wait that long"
        if within
        else f"at most {100 * objective.budget:g} % errors"
    )
    return AlertRule(
        "app-slow" if within else "errors",
        _expression(objective, window),
        "0s",
        window.severity,
        f"{title}: {share} of its users {happens} (in the last {RAW[0]}: {now})",
        f"{share} of the users of {title} {happens}, over {window.long}; in the last {RAW[0]}:"
        f" {now} (promised: {promise})",
        "fab incident.triage",
        {"requirement": objective.endpoint.id, "window": window.long},
    )


def burn_rules(service: Service) -> Iterator[AlertRule]:
    """Every promise, at every speed at which it may be broken."""
    for objective in service_objectives(service):
        for window in WINDOWS:
            yield _describe(objective, window)
