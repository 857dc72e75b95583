"""The host that watches the others: Prometheus asks every exporter, blackbox asks the service as
users do, Alertmanager calls people. All three listen on the loopback only.

Rules come from `fabfile/alerts/`; whom to call, from the site file's `[monitoring]`.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from ..alerts.rulefile import render_rules
from ..control.silences import ALERTMANAGER
from ..engine.host import Node
from ..engine.step import Step
from ..settings.bingo import SERVICE
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

UNIT_PAGES = {healer.HEALER_UNIT: "healer-off", "runbook-logrotate.timer": "log-rotation"}
"""Units with a page of their own in the runbook."""

BALANCER_FIGURES = (
    *("haproxy_server_status", "haproxy_server_http_responses_total"),
    *("haproxy_server_current_sessions", "haproxy_backend_current_queue"),
    *("haproxy_backend_http_responses_total", "haproxy_backend_http_requests_total"),
    *("haproxy_backend_retry_warnings_total", "haproxy_backend_redispatch_warnings_total"),
    "haproxy_backend_response_errors_total",
    "haproxy_backend_connection_errors_total",
)
"""What is taken of HAProxy's own exporter."""


class Job(NamedTuple):
    """Exporters of one kind."""

    name: str
    port: int
    hosts: tuple[Node, ...]
    metrics: tuple[str, ...] = ()
    drop: str = ""


class OutsideCall(NamedTuple):
    """A call that blackbox makes, and what it stands for."""

    url: str
    scheme: str
    via: str
    host: str


def monitoring_steps(settings: Settings, node: Node, trust: str) -> list[Step]:
    """The whole role. `trust`: the authorities of the edges' certificate in PEM; empty: those that
    Debian trusts.

    Raises:
        RunbookError: a file of a secret cannot be read.
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
    config, reload = f"{FOLDER}/prometheus.yml", (f"reload:{PROMETHEUS_UNIT}",)
    command = (
        f"/usr/bin/prometheus --config.file={config}"
        f" --web.listen-address=127.0.0.1:{PROMETHEUS}"
        " --storage.tsdb.path=/var/lib/prometheus/metrics2"
        f" --storage.tsdb.retention.size={settings.monitoring.retention_mb}MB"
        " --storage.tsdb.wal-compression --log.level=warn"
    )
    text = render_template(
        "monitoring/prometheus.yml",
        interval=exporters.INTERVAL,
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
    """Whom Prometheus asks."""
    inventory = settings.inventory
    edges = inventory.having("edge")
    jobs = [
        Job(exporters.NODE.job, exporters.NODE.port, inventory.nodes),
        Job("haproxy", settings.edge.stats_port, edges, BALANCER_FIGURES),
        Job(exporters.EDGE.job, exporters.EDGE.port, edges, drop="(mtail|go|process|log)_.*"),
        Job(
            exporters.POSTGRES.job,
            exporters.POSTGRES.port,
            inventory.having("postgres"),
            drop="(go|promhttp)_.*",
        ),
    ]
    return [job for job in jobs if job.hosts]


def outside_calls(settings: Settings) -> list[OutsideCall]:
    """The health call, over http and https: by the service's address, and at each edge."""
    edges = settings.inventory.having("edge")
    if not edges:
        return []
    edge, path = settings.edge, SERVICE.health.path
    plain, tls = settings.service, settings.https
    calls = [
        OutsideCall(f"{base}{path}", urlsplit(base).scheme, "address", "service")
        for base in dict.fromkeys((plain, tls))
    ]
    for one in edges:
        calls.append(
            OutsideCall(f"http://{one.address}:{edge.port}{path}", "http", "edge", one.name)
        )
        calls.append(
            OutsideCall(f"https://{one.address}:{edge.https_port}{path}", "https", "edge", one.name)
        )
    return calls


def _blackbox_steps(settings: Settings, trust: str) -> list[Step]:
    config, restart = f"{FOLDER}/blackbox.yml", (f"restart:{BLACKBOX_UNIT}",)
    text = render_template(
        "monitoring/blackbox.yml",
        health=SERVICE.health,
        right=f"^{re.escape(SERVICE.health.equals)}$",
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
