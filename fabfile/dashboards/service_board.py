"""The dashboards of what users get: the service at a glance, and the age of what the edges keep."""

from __future__ import annotations

from ..settings.bounds import CERTIFICATE_WARN_DAYS
from ..settings.endpoint import Endpoint
from ..settings.service import Service
from .model import HOST, WINDOW, Dashboard, Graph, Series, Tile, curve

QUANTILES = (0.5, 0.9, 0.99)
BUDGET_DAYS = 7
"""The error budget is shown over so many days; the monitoring host keeps about two weeks."""


def endpoint_bound(service: Service, endpoint: Endpoint) -> float:
    """Seconds within which nine of ten answers must come."""
    return endpoint.cache.within_seconds if endpoint.cache else service.latency_bound(endpoint)


def shown_endpoints(service: Service) -> tuple[Endpoint, ...]:
    """The measured endpoints, in the service's order."""
    return tuple(endpoint for endpoint in service.endpoints if endpoint in service.measured)


def _failed_share(window: str, only: str = "") -> str:
    """Share of the answers with a status of 500 and more; 0 without any."""
    failed = f'sum(rate(edge_requests_total{{code=~"5..|000"{only}}}[{window}])) or vector(0)'
    whole = f"sum(rate(edge_requests_total{{{only.lstrip(',')}}}[{window}]))"
    return f"({failed}) / ({whole} > 0)"


def _quantile(quantile: float, only: str = "") -> str:
    buckets = f"edge_request_seconds_bucket{{{only}}}"
    return f"histogram_quantile({quantile}, sum by (le) (rate({buckets}[{WINDOW}])))"


def _latency_graph(service: Service, endpoint: Endpoint) -> Graph:
    only = f'endpoint="{endpoint.name}"'
    return Graph(
        endpoint.title,
        "s",
        tuple(
            Series(f"p{quantile * 100:.0f}", _quantile(quantile, only)) for quantile in QUANTILES
        ),
        bound=endpoint_bound(service, endpoint),
    )


def service_dashboard(service: Service) -> Dashboard:
    """What users get, at a glance."""
    allowed = service.load.errors_percent / 100
    bound = service.load.p90_ms / 1000
    left = f"1 - ({_failed_share(f'{BUDGET_DAYS}d')}) / {allowed}"
    return Dashboard(
        "service",
        "Service",
        "What do users get?",
        (
            Tile("requests", "/s", "sum(rate(edge_requests_total[1m]))"),
            Tile("errors, 5 minutes", "%", _failed_share("5m"), bad_above=allowed),
            Tile(
                "p90, 5 minutes",
                "s",
                _quantile(0.9).replace(WINDOW, "5m"),
                bad_above=bound,
            ),
            Tile(f"error budget left, {BUDGET_DAYS} days", "%", left, bad_below=0.1),
            Tile(
                "alerts that page",
                "",
                'count(ALERTS{alertstate="firing",severity="page"}) or vector(0)',
                bad_above=0,
            ),
        ),
        _service_graphs(service),
    )


def _service_graphs(service: Service) -> tuple[Graph, ...]:
    allowed = service.load.errors_percent / 100
    rate = f"sum by (endpoint) (rate(edge_requests_total[{WINDOW}]))"
    errors = f'sum by (endpoint) (rate(edge_requests_total{{code=~"5..|000"}}[{WINDOW}]))'
    return (
        curve(
            "Requests",
            "/s",
            "{{endpoint}}",
            rate,
        ),
        curve(
            "Errors",
            "%",
            "all",
            _failed_share(WINDOW),
            bound=allowed,
        ),
        curve(
            "Errors by endpoint",
            "/s",
            "{{endpoint}}",
            errors,
        ),
        *(_latency_graph(service, endpoint) for endpoint in shown_endpoints(service)),
    )


def cache_dashboard(service: Service) -> Dashboard:
    """How old kept answers are, and how long certificates last."""
    days = "(probe_ssl_earliest_cert_expiry - time()) / 86400"
    tiles, graphs = _cache_parts(service)
    return Dashboard(
        "cache",
        "Cache and certificates",
        "Is anything too old?",
        (
            *tiles,
            Tile("certificate ends in", "d", f"min({days})", bad_below=CERTIFICATE_WARN_DAYS),
        ),
        (
            *graphs,
            curve(
                "Days until the certificate ends",
                "d",
                "{{instance}}",
                days,
            ),
            curve(
                "Size of the app's log",
                "B",
                "{{host}}",
                f"max by ({HOST}) (runbook_log_bytes)",
            ),
            curve(
                "Service as seen from the monitoring host",
                "",
                "{{instance}}",
                "probe_success",
                steps=True,
                most=1,
            ),
        ),
    )


def _cache_parts(service: Service) -> tuple[tuple[Tile, ...], tuple[Graph, ...]]:
    """Tiles and graphs of the cache; none if no endpoint has one."""
    if not service.caches:
        return (), ()
    age = "time() - runbook_cache_asked_seconds"
    bound = float(min(rule.max_age for rule in service.caches))
    tile = Tile("newest kept answer", "s", f"min({age})", bad_above=bound)
    graph = curve("Age of the newest kept answer", "s", "{{host}}", age, bound=bound)
    return (tile,), (graph,)
