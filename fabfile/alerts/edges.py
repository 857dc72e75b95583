"""Rules about the way in: the address, the edges, certificates, the cache. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ..settings.bounds import certificate_warn_days
from ..settings.edge import Edge
from ..settings.settings import Settings
from .parts import LOST
from .rule import HOST, AlertRule

FORGOTTEN_DRAIN = 4 * 3600
"""Seconds after which a drain has been forgotten: a maintenance takes less."""


def edge_rules(settings: Settings) -> Iterator[AlertRule]:
    """The way in: what comes from outside, the address, certificates, the cache, drains."""
    outside = 'probe_success{job="outside",via="address"} == 0'
    yield AlertRule(
        "edge-down",
        outside,
        "20s",
        "page",
        "the service does not answer over {{ $labels.scheme }}",
        "no answer over {{ $labels.scheme }}, or a wrong one",
        "fab incident.edge-down",
        {"what": "no answer from outside"},
    )
    yield AlertRule(
        "edge-down",
        'probe_success{job="outside",via="edge"} == 0 unless on (host) (up{job="node"} == 0)',
        "40s",
        "page",
        f"{HOST} does not serve over {{{{ $labels.scheme }}}}",
        "nothing while the other edge serves; there is no spare"
        if settings.edge.external
        else "nothing while the other edge holds the address; there is no spare",
        "fab incident.edge-down",
        {"what": "one edge"},
    )
    if settings.edge.external:
        yield _balancer_rule(settings.edge)
    elif settings.edge.address:
        yield from _address_rules(settings.edge.address)
    yield from _certificate_rules(certificate_warn_days(settings))
    if caches := settings.program.caches:
        yield _cache_rule(min(rule.max_age for rule in caches))
    yield AlertRule(
        "drain-forgotten",
        f"time() - runbook_drained_since_seconds > {FORGOTTEN_DRAIN}",
        "1m",
        "inform",
        f"{HOST} keeps {{{{ $labels.name }}}} out of service for"
        " {{ $value | humanizeDuration }}",
        "nothing, but a spare is missing",
        "fab status",
    )


def _cache_rule(max_age: int) -> AlertRule:
    """Cached answers that nobody renews."""
    return AlertRule(
        "cache-stale",
        f"time() - runbook_cache_asked_seconds > {max_age}",
        "30s",
        "inform",
        f'the answer that {HOST} caches is {{{{ $value | printf "%.0f" }}}} s old',
        "some users wait for a new answer; no user gets one that is too old",
        "fab incident.cache-stale",
    )


def _balancer_rule(edge: Edge) -> AlertRule:
    """Some edge must pass the health checks of the provider's balancer."""
    return AlertRule(
        "edge-down",
        f"sum({edge.serving_figure}) == 0",
        LOST,
        "page",
        f"no edge can serve behind {edge.address}",
        "no answer at all",
        "fab incident.edge-down",
        {"what": "no edge can serve"},
    )


def _address_rules(address: str) -> Iterator[AlertRule]:
    """Exactly one edge must hold the floating address."""
    yield AlertRule(
        "edge-down",
        "sum(runbook_holds_address) == 0",
        LOST,
        "page",
        f"no edge holds {address}",
        "no answer at all",
        "fab incident.edge-down",
        {"what": "nobody holds the address"},
    )
    yield AlertRule(
        "edge-down",
        "sum(runbook_holds_address) > 1",
        LOST,
        "page",
        f"more than one edge holds {address}",
        "broken connections, now and then",
        "fab incident.edge-down",
        {"what": "two hold the address"},
    )


def _certificate_rules(warn_days: int) -> Iterator[AlertRule]:
    """The certificate as blackbox sees it served."""
    days = "(min by (host) (probe_ssl_earliest_cert_expiry) - time()) / 86400"
    yield AlertRule(
        "certificate",
        f"{days} < {warn_days}",
        "10m",
        "inform",
        f'the certificate of {HOST} ends in {{{{ $value | printf "%.1f" }}}} days',
        "nothing before it ends; then every https client refuses",
        "inv certs.status",
    )
    yield AlertRule(
        "certificate",
        f"{days} < 3",
        "1m",
        "page",
        f'the certificate of {HOST} ends in {{{{ $value | printf "%.1f" }}}} days',
        "nothing before it ends; then every https client refuses",
        "inv certs.renew",
    )
