"""Causes and lost spares: rules about hosts, units, drains, locks, disks, clocks, certificates.

Only what takes users' service or its last spare away calls somebody (`page`); all else informs.
What heals by itself within the healer's minute (R2) calls nobody.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..settings.bingo import SERVICE
from ..settings.settings import Settings
from .rule import AlertRule

HEALED_WITHIN = "50s"
"""R2 grants a node 60 s, the fast start needs 6: what lasts longer does not heal by itself."""
LOST = "25s"
"""A host that answers nothing for so long is gone; with a question every 5 s, and Alertmanager's
wait of 5 s, somebody is called within 40 s."""
FORGOTTEN_DRAIN = 4 * 3600
"""Seconds after which a drain has been forgotten: a maintenance takes less."""
LONG_WAIT = 20
"""Seconds that a session waits for a lock: HAProxy has given up for the user long before."""
WRONG_CLOCK = 0.5
"""Seconds; R21 allows 1."""

_HOST = "{{ $labels.host }}"


def cause_rules(settings: Settings) -> Iterator[AlertRule]:
    """Every rule about what may hurt users, or already does."""
    yield from _lost_rules()
    yield from _app_rules()
    yield from _edge_rules(settings)
    yield from _database_rules(settings)
    yield from _host_rules(settings)
    yield from _own_rules()


def _lost_rules() -> Iterator[AlertRule]:
    """Hosts that answer nothing."""
    felt = {
        "app": ("node-lost", "nothing: the other app nodes carry the load, and no spare is left"),
        "edge": ("edge-lost", "at most a moment: the other edge took the address; no spare left"),
        "postgres": ("database-lost", "errors from every call that needs the database"),
    }
    for role, (name, words) in felt.items():
        yield AlertRule(
            name,
            f'up{{job="node",role=~".*{role}.*"}} == 0',
            LOST,
            "page",
            f"{_HOST} does not answer",
            words,
            "fab status",
        )


def _app_rules() -> Iterator[AlertRule]:
    """The app on its nodes, as the balancers see it, and its healer."""
    up, states = 'haproxy_server_status{proxy="health",state="%s"}', ("UP", "DRAIN", "MAINT")
    seen = " + ".join(f"max by (server) ({up % state})" for state in states)
    kept_out = 'max by (server) (haproxy_server_status{proxy="kept_out",state="MAINT"}) == 1'
    node = 'label_replace(%s, "host", "$1", "server", "(.*)")'
    yield AlertRule(
        "app-down",
        f"({node % f'({seen}) == 0'}) unless on (host) ({node % kept_out})"
        ' unless on (host) (up{job="node"} == 0)',
        HEALED_WITHIN,
        "page",
        f"the app on {_HOST} does not work, and its healer has not mended it",
        "nothing: the other app nodes carry the load, and no spare is left",
        f"fab -H {_HOST} app.restart",
    )
    yield AlertRule(
        "both-down",
        f"sum({up % 'UP'}) == 0",
        "10s",
        "page",
        "no app node works in the eyes of any edge",
        "every call waits for 5 s, then fails; only kept answers come",
        "fab status",
    )
    yield AlertRule(
        "healing-often",
        'sum by (host) (increase(runbook_healer_restarts_total{cause!="age"}[1h])) > 6',
        "0s",
        "inform",
        f'the app on {_HOST} was restarted {{{{ $value | printf "%.0f" }}}} times in an hour',
        "nothing yet: each restart was drained or covered by the other node",
        f"fab -H {_HOST} status",
    )
    yield AlertRule(
        "releases-differ",
        "count(count by (release) (runbook_release)) > 1",
        "30m",
        "inform",
        "the app nodes run different releases",
        "nothing yet, or answers that differ between two calls",
        "fab releases",
    )


def _edge_rules(settings: Settings) -> Iterator[AlertRule]:
    """The way in: the address, what comes from outside, certificates, the cache, drains."""
    outside = 'probe_success{job="outside",via="address"} == 0'
    yield AlertRule(
        "service-unreachable",
        outside,
        "20s",
        "page",
        "the service does not answer over {{ $labels.scheme }}",
        "no answer over {{ $labels.scheme }}, or a wrong one",
        "fab status",
    )
    yield AlertRule(
        "edge-down",
        'probe_success{job="outside",via="edge"} == 0 unless on (host) (up{job="node"} == 0)',
        "40s",
        "page",
        f"{_HOST} does not serve over {{{{ $labels.scheme }}}}",
        "nothing while the other edge holds the address; no spare is left",
        f"fab -H {_HOST} status",
    )
    if settings.edge.address:
        yield AlertRule(
            "address-lost",
            "sum(runbook_holds_address) == 0",
            LOST,
            "page",
            f"no edge holds {settings.edge.address}",
            "no answer at all",
            "fab status",
        )
        yield AlertRule(
            "address-twice",
            "sum(runbook_holds_address) > 1",
            LOST,
            "page",
            f"more than one edge holds {settings.edge.address}",
            "broken connections, now and then",
            "fab status",
        )
    days = "(min by (host) (probe_ssl_earliest_cert_expiry) - time()) / 86400"
    yield AlertRule(
        "certificate",
        f"{days} < 14",
        "10m",
        "inform",
        f'the certificate of {_HOST} ends in {{{{ $value | printf "%.1f" }}}} days',
        "nothing before it ends; then every https client refuses",
        "inv certs.status",
    )
    yield AlertRule(
        "certificate",
        f"{days} < 3",
        "1m",
        "page",
        f'the certificate of {_HOST} ends in {{{{ $value | printf "%.1f" }}}} days',
        "nothing before it ends; then every https client refuses",
        "inv certs.renew",
    )
    yield AlertRule(
        "cache-stale",
        f"time() - runbook_cache_asked_seconds > {SERVICE.cache.max_age}",
        "30s",
        "inform",
        f'the answer that {_HOST} keeps is {{{{ $value | printf "%.0f" }}}} s old',
        "some wait for a new answer; nobody gets one that is too old",
        f"fab -H {_HOST} status",
    )
    yield AlertRule(
        "drain-forgotten",
        f"time() - runbook_drained_since_seconds > {FORGOTTEN_DRAIN}",
        "1m",
        "inform",
        f"{_HOST} keeps {{{{ $labels.name }}}} out of service for"
        " {{ $value | humanizeDuration }}",
        "nothing, but a spare is missing",
        "fab status",
    )


def _database_rules(settings: Settings) -> Iterator[AlertRule]:
    most = settings.database.max_connections
    yield AlertRule(
        "database-down",
        'pg_up == 0 unless on (host) (up{job="node"} == 0)',
        "15s",
        "page",
        f"PostgreSQL on {_HOST} does not answer",
        "errors from every call that needs the database",
        f"fab -H {_HOST} status",
    )
    yield AlertRule(
        "database-locked",
        f"runbook_lock_wait_seconds > {LONG_WAIT}",
        "10s",
        "inform",
        f'a session on {_HOST} waits for a lock for {{{{ $value | printf "%.0f" }}}} s',
        "calls that need the locked rows or table wait, and fail",
        "inv db.status",
    )
    yield AlertRule(
        "transaction-forgotten",
        "runbook_idle_transaction_seconds > 300",
        "10s",
        "inform",
        f"a transaction on {_HOST} is open and idle for {{{{ $value | humanizeDuration }}}}",
        "nothing yet; what it has locked stays locked, and tables grow",
        "inv db.status",
    )
    yield AlertRule(
        "database-connections",
        f"sum by (host) (pg_stat_database_numbackends) > {int(0.8 * most)}",
        "1m",
        "inform",
        f"{{{{ $value }}}} of {most} connections to PostgreSQL on {_HOST} are in use",
        "nothing until none is left; then errors from every call that needs the database",
        "inv db.status",
    )


def _host_rules(settings: Settings) -> Iterator[AlertRule]:
    """Units, disks, logs, clocks, owed restarts."""
    real = '{fstype!~"tmpfs|iso9660",mountpoint!~"/boot.*"}'
    yield AlertRule(
        "unit-off",
        "runbook_unit_active == 0",
        "1m",
        "inform",
        f"{{{{ $labels.unit }}}} on {_HOST} does not run",
        "nothing yet, if no other alert says more",
        f"fab -H {_HOST} status",
    )
    for what, free, size in (
        ("bytes", "node_filesystem_avail_bytes", "node_filesystem_size_bytes"),
        ("inodes", "node_filesystem_files_free", "node_filesystem_files"),
    ):
        yield AlertRule(
            "disk-full",
            f"100 * {free}{real} / ({size}{real} > 0) < 10",
            "1m",
            "inform",
            f'{{{{ $labels.mountpoint }}}} on {_HOST} has {{{{ $value | printf "%.0f" }}}} %'
            f" of its {what} left",
            "nothing until it is full; then whatever writes there fails",
            f"fab -H {_HOST} status",
            {"what": what},
        )
    # logrotate acts once a minute at log_max_mb; twice that is the bound of R22.
    yield AlertRule(
        "log-not-rotated",
        f"runbook_log_bytes > {2 * settings.app.log_max_mb} * 1024 * 1024",
        "2m",
        "inform",
        f"the app's log on {_HOST} is {{{{ $value | humanize1024 }}}}B: it is not rotated",
        "nothing until the disk is full",
        f"fab -H {_HOST} status",
    )
    yield AlertRule(
        "clock-wrong",
        f"abs(node_time_seconds - timestamp(node_time_seconds)) > {WRONG_CLOCK}",
        "30s",
        "inform",
        f'the clock of {_HOST} is {{{{ $value | printf "%.1f" }}}} s off the monitoring host\'s',
        "nothing at first; kept answers may be too old, logs mislead",
        f"fab -H {_HOST} status",
    )
    yield AlertRule(
        "clock-not-kept",
        "node_timex_sync_status == 0 unless on (host) runbook_container == 1",
        "30m",
        "inform",
        f"nothing keeps the clock of {_HOST} right",
        "nothing until it is a second off",
        f"fab -H {_HOST} status",
    )
    yield AlertRule(
        "restart-owed",
        "time() - runbook_owed_since_seconds > 900",
        "1m",
        "inform",
        f"{_HOST} still owes {{{{ $labels.name }}}} (a change is not in effect)",
        "nothing yet, or the fault that the change was to mend",
        "fab plan",
    )


def _own_rules() -> Iterator[AlertRule]:
    """The eyes themselves."""
    yield AlertRule(
        "exporter-gone",
        'up{job!="node"} == 0 unless on (host) (up{job="node"} == 0)',
        "2m",
        "inform",
        f"{_HOST}: its figures ({{{{ $labels.job }}}}) do not come",
        "nothing, but what happens there is not seen",
        f"fab -H {_HOST} status",
    )
    yield AlertRule(
        "figures-old",
        "time() - runbook_figures_seconds > 60",
        "30s",
        "inform",
        f"{_HOST}: what the runbook tells of this host is {{{{ $value | humanizeDuration }}}} old",
        "nothing, but its units, drains and logs are not seen",
        f"fab -H {_HOST} status",
    )
    yield AlertRule(
        "alerts-not-delivered",
        "sum by (integration) (increase(alertmanager_notifications_failed_total[5m])) > 0",
        "0s",
        "inform",
        "alerts by {{ $labels.integration }} do not reach anybody",
        "nothing, but nobody may be called",
        "fab status",
    )
