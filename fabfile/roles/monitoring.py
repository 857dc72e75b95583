"""The host that watches the others: Prometheus asks every exporter, blackbox asks the service as
users do, Alertmanager calls people. All three listen on the loopback only.

Rules come from `fabfile/alerts/`; whom to call, from the site file's `[monitoring]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from ..alerts.rulefile import render_rules
from ..engine.errors import RunbookError
from ..engine.host import Node
from ..engine.secret import Secret
from ..engine.step import Step
from ..settings.bingo import SERVICE
from ..settings.paths import SETTINGS
from ..settings.settings import Settings
from ..settings.template import render_template
from ..steps.file import Directory, File
from ..steps.package import Packages
from ..steps.unit import Unit
from . import exporters

PROMETHEUS_UNIT = "prometheus.service"
ALERTMANAGER_UNIT = "prometheus-alertmanager.service"
BLACKBOX_UNIT = "prometheus-blackbox-exporter.service"
PROMETHEUS, ALERTMANAGER, BLACKBOX = 9090, 9093, 9115
"""Their ports, on the loopback."""

FOLDER = f"{SETTINGS}/monitoring"
RULES = f"{FOLDER}/rules.yml"
TRUST = f"{FOLDER}/trust.pem"
OWNER = "prometheus:prometheus"

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


def monitoring_units() -> list[str]:
    """The units that must run on the monitoring host."""
    return [PROMETHEUS_UNIT, ALERTMANAGER_UNIT, BLACKBOX_UNIT]


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
            )
        ),
        Directory(FOLDER),
        *_alertmanager_steps(settings),
        *_blackbox_steps(settings, trust),
        *_prometheus_steps(settings, node),
    ]


def _daemon(unit: str, what: str, command: str, memory: int) -> Iterator[Step]:
    """The drop-in of one daemon; its unit's step comes after its files."""
    drop_in = f"/etc/systemd/system/{unit}.d"
    text = render_template("monitoring/server.conf", what=what, command=command, memory=memory)
    yield Directory(drop_in)
    yield File(f"{drop_in}/runbook.conf", text, notify=(f"restart:{unit}",))


def _until_ready(port: int, path: str = "/-/ready") -> str:
    """Shell text: the daemon answers within 30 s. (bash, for curl may not be there.)"""
    ask = (
        f"exec 3<>/dev/tcp/127.0.0.1/{port}; printf 'GET {path} HTTP/1.0\\r\\n\\r\\n' >&3;"
        " head -1 <&3"
    )
    return f'timeout 30 bash -c "until ({ask}) 2>/dev/null | grep -q 200; do sleep 0.2; done"'


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
        *_daemon(PROMETHEUS_UNIT, "figures and rules", command, 512),
        File(RULES, render_rules(settings), validate="promtool check rules {} >&2", notify=reload),
        File(config, text, validate="promtool check config {} >&2", notify=reload),
        Unit(PROMETHEUS_UNIT, ready=_until_ready(PROMETHEUS)),
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
        *_daemon(BLACKBOX_UNIT, "calls to the service from outside", command, 64),
        *([File(TRUST, trust, notify=restart)] if trust else []),
        File(config, text, validate=check, notify=restart),
        Unit(BLACKBOX_UNIT, ready=_until_ready(BLACKBOX, "/-/healthy")),
    ]


def _alertmanager_steps(settings: Settings) -> list[Step]:
    restart = (f"restart:{ALERTMANAGER_UNIT}",)
    config, words = f"{FOLDER}/alertmanager.yml", f"{FOLDER}/words.tmpl"
    secrets = _secret_files(settings)
    text = render_template(
        "monitoring/alertmanager.yml",
        monitoring=settings.monitoring,
        secrets={name: f"{FOLDER}/{name}" if path else "" for name, path in secrets.items()},
        words=words,
    )
    # No gossip: there is one of it.
    command = (
        f"/usr/bin/prometheus-alertmanager --config.file={config} --cluster.listen-address="
        f" --web.listen-address=127.0.0.1:{ALERTMANAGER}"
        " --storage.path=/var/lib/prometheus/alertmanager --log.level=warn"
    )
    return [
        *_daemon(ALERTMANAGER_UNIT, "who is told what", command, 96),
        *(
            File(
                f"{FOLDER}/{name}",
                _read_secret(settings, name, path).reveal(),
                mode=0o600,
                owner=OWNER,
                notify=restart,
            )
            for name, path in secrets.items()
            if path
        ),
        File(words, _template_text("words.tmpl"), notify=restart),
        File(config, text, validate="amtool check-config {} >&2", notify=restart),
        Unit(ALERTMANAGER_UNIT, ready=_until_ready(ALERTMANAGER)),
    ]


def _secret_files(settings: Settings) -> dict[str, Path | None]:
    """The controller's file of each secret that Alertmanager may need."""
    monitoring = settings.monitoring
    return {
        "smtp_password": monitoring.smtp_password_file,
        "webhook": monitoring.webhook_file,
        "slack": monitoring.slack_file,
        "telegram_token": monitoring.telegram_token_file,
    }


def _template_text(name: str) -> str:
    """Alertmanager's own templates use Jinja's marks: taken as they are."""
    from ..settings.project import PROJECT

    return (PROJECT / "configs" / "monitoring" / name).read_text(encoding="utf-8")


def _read_secret(settings: Settings, name: str, path: Path) -> Secret:
    """The one line of a secret's file.

    Raises:
        RunbookError: it cannot be read, or holds no single line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is no text"
        raise RunbookError(
            f"monitoring.{name}: {path} cannot be read: {said}",
            "Alertmanager could call nobody by it; nothing was changed",
            f"ls -l {path}, or take the setting out of {settings.path}",
        ) from None
    if not text or len(text.split()) != 1:
        raise RunbookError(
            f"monitoring.{name}: {path} must hold one line without blanks",
            "Alertmanager could call nobody by it; nothing was changed",
            f"edit {path}",
        )
    return Secret(text)
