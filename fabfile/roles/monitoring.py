"""The role of the monitoring host: Prometheus scrapes every exporter, the blackbox exporter
requests the service as users do, and Alertmanager notifies people. All three listen on the loopback
only.

The rules come from `fabfile/alerts/`, and the receivers from `[monitoring]` in the site file.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from ..alerts.rulefile import render_rules
from ..control.silences import ALERTMANAGER
from ..engine.host import Node
from ..engine.step import Step
from ..settings.service import Service
from ..settings.settings import Settings
from ..settings.template import render_template
from ..steps.file import Directory, File
from ..steps.package import Packages
from ..steps.unit import Unit
from . import exporters, healer
from .alertmanager import alertmanager_steps
from .monitoring_units import (
    BLACKBOX,
    BLACKBOX_UNIT,
    FOLDER,
    PROMETHEUS,
    PROMETHEUS_UNIT,
    server_steps,
    until_ready,
)

RULES = f"{FOLDER}/rules.yml"
TRUST = f"{FOLDER}/trust.pem"
"""The authorities that the blackbox exporter trusts for the edges' certificate."""

UNIT_PAGES = {healer.HEALER_UNIT: "healer-off", "runbook-logrotate.timer": "log-rotation"}
"""The alert, and so the page in docs/runbook/, for units that have their own."""

BALANCER_FIGURES = (
    *("haproxy_server_status", "haproxy_server_http_responses_total"),
    *("haproxy_server_current_sessions", "haproxy_backend_current_queue"),
    *("haproxy_backend_http_responses_total", "haproxy_backend_http_requests_total"),
    *("haproxy_backend_retry_warnings_total", "haproxy_backend_redispatch_warnings_total"),
    "haproxy_backend_response_errors_total",
    "haproxy_backend_connection_errors_total",
)
"""The metrics that Prometheus keeps of HAProxy's own exporter, which has hundreds."""


class Job(NamedTuple):
    """A scrape job of Prometheus: the exporters of one kind."""

    name: str
    port: int
    hosts: tuple[Node, ...]
    metrics: tuple[str, ...] = ()
    """The only metrics that are kept; empty: all."""
    drop: str = ""
    """A pattern of metrics that are dropped: those about the exporter's own process."""


class OutsideCall(NamedTuple):
    """A request that the blackbox exporter makes."""

    url: str
    scheme: str
    via: str
    """`address`: by the address that users call. `edge`: at one edge."""
    host: str
    """The name of that edge, or `service`."""


def monitoring_steps(settings: Settings, node: Node, trust: str) -> list[Step]:
    """The whole role on `node`.

    Args:
        settings: the site.
        node: the monitoring host.
        trust: the authorities of the edges' certificate, in PEM; empty: those that Debian trusts.

    Raises:
        RunbookError: a file with a secret cannot be read.
    """
    return [
        Packages(
            (
                "prometheus",
                "prometheus-alertmanager",
                "prometheus-blackbox-exporter",
                "ca-certificates",
                "libjs-dygraphs",  # draws the dashboards
            )
        ),
        Directory(FOLDER),
        *alertmanager_steps(settings),
        *_blackbox_steps(settings, trust),
        *_prometheus_steps(settings, node),
    ]


def _prometheus_steps(settings: Settings, node: Node) -> list[Step]:
    config = f"{FOLDER}/prometheus.yml"
    reload = (f"reload:{PROMETHEUS_UNIT}",)
    command = (
        f"/usr/bin/prometheus --config.file={config}"
        f" --web.listen-address=127.0.0.1:{PROMETHEUS}"
        " --storage.tsdb.path=/var/lib/prometheus/metrics2"
        f" --storage.tsdb.retention.size={settings.monitoring.retention_mb}MB"
        # An alert says what users get at the moment. By default it is sent again once a minute.
        " --storage.tsdb.wal-compression --log.level=warn --rules.alert.resend-delay=15s"
    )
    text = render_template(
        "monitoring/prometheus.yml",
        interval=exporters.SCRAPE_SECONDS,
        rules=RULES,
        alertmanager=ALERTMANAGER,
        prometheus=PROMETHEUS,
        blackbox=BLACKBOX,
        jobs=scrape_jobs(settings),
        probes=outside_calls(settings),
        host=node,
    )
    return [
        *server_steps(PROMETHEUS_UNIT, "figures and rules", command, 512),
        File(
            RULES,
            render_rules(settings, UNIT_PAGES),
            validate="promtool check rules {} >&2",
            notify=reload,
        ),
        File(config, text, validate="promtool check config {} >&2", notify=reload),
        Unit(PROMETHEUS_UNIT, ready=until_ready(PROMETHEUS)),
    ]


def scrape_jobs(settings: Settings) -> list[Job]:
    """The exporters that Prometheus scrapes."""
    inventory = settings.inventory
    edges = inventory.having("edge")
    jobs = [
        Job(exporters.NODE.job, exporters.NODE.port, inventory.nodes),
        Job("haproxy", settings.edge.stats_port, edges, BALANCER_FIGURES),
        Job(exporters.EDGE.job, exporters.EDGE.port, edges, drop="(mtail|go|process|log)_.*"),
        Job(
            exporters.POSTGRES.job,
            exporters.POSTGRES.port,
            settings.databases,
            drop="(go|promhttp)_.*",
        ),
    ]
    return [job for job in jobs if job.hosts]


def outside_calls(settings: Settings) -> list[OutsideCall]:
    """The health call over http and https: by the service's address, and at each edge. Empty on a
    site without edges."""
    edges = settings.inventory.having("edge")
    if not edges:
        return []
    edge, path = settings.edge, settings.program.health.live.path
    calls = [
        OutsideCall(f"{base}{path}", urlsplit(base).scheme, "address", "service")
        # The site file may name an https address as the service: request it once.
        for base in dict.fromkeys((settings.service, settings.https))
    ]
    for host in edges:
        calls.append(
            OutsideCall(f"http://{host.address}:{edge.port}{path}", "http", "edge", host.name)
        )
        calls.append(
            OutsideCall(
                f"https://{host.address}:{edge.https_port}{path}", "https", "edge", host.name
            )
        )
    return calls


def _right_bodies(service: Service) -> list[str]:
    """Regular expressions that the body of the health call must match: of the health page, else of
    the endpoint that is the same call."""
    page = service.health.live
    same = [
        one.expect
        for one in service.endpoints
        if (one.path, one.method) == (page.path, page.method)
    ]
    whole = [page.equals, *(expect.equals for expect in same)]
    return [
        *(f"^{re.escape(text)}$" for text in dict.fromkeys(filter(None, whole))),
        *([re.escape(page.body)] if page.body else []),
    ]


def _blackbox_steps(settings: Settings, trust: str) -> list[Step]:
    config = f"{FOLDER}/blackbox.yml"
    restart = (f"restart:{BLACKBOX_UNIT}",)
    page = settings.program.health.live
    text = render_template(
        "monitoring/blackbox.yml",
        page=page,
        statuses=page.status,
        right=_right_bodies(settings.program),
        wrong=[re.escape(page.not_contains)] if page.not_contains else [],
        server_name=settings.tls.names[0] if settings.tls.names else "",
        trust=TRUST if trust else "",
    )
    command = (
        f"/usr/bin/prometheus-blackbox-exporter --config.file={config}"
        f" --web.listen-address=127.0.0.1:{BLACKBOX} --log.level=warn"
    )
    check = "prometheus-blackbox-exporter --config.check --config.file={} 2>&1"
    return [
        *server_steps(BLACKBOX_UNIT, "calls to the service from outside", command, 64),
        *([File(TRUST, trust, notify=restart)] if trust else []),
        File(config, text, validate=check, notify=restart),
        Unit(BLACKBOX_UNIT, ready=until_ready(BLACKBOX, "/-/healthy")),
    ]
