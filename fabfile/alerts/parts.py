"""Rules about hosts that are lost, the app on its nodes, and the database. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ..settings.bounds import (
    IDLE_TRANSACTION_SECONDS,
    LOCK_WAIT_SECONDS,
)
from ..settings.settings import Settings
from .rule import HOST, AlertRule

HEALED_WITHIN = "50s"
"""R2 grants a node 60 s, the fast start needs 6: what lasts longer does not heal by itself."""
LOST = "25s"
"""A host that answers nothing for so long is gone; with a question every 5 s, and Alertmanager's
wait of 5 s, somebody is called within 40 s."""
COVERED = "nothing: the other app nodes carry the load; the next failure would be felt"
"""What users feel of one app node less."""


def lost_rules(settings: Settings) -> Iterator[AlertRule]:
    """Hosts that answer nothing."""
    felt = {
        "app": ("node-down", COVERED),
        "edge": ("edge-down", "at most a moment: the other edge has the address, and no spare"),
        "postgres": ("db-down", "errors from every call that needs the database"),
    }
    if settings.program.database is None:
        del felt["postgres"]
    for role, (name, words) in felt.items():
        yield AlertRule(
            name,
            f'up{{job="node",role=~".*{role}.*"}} == 0',
            LOST,
            "page",
            f"{HOST} does not answer",
            words,
            f"fab incident.{name}",
            {"what": "host lost"},
        )


SEEN = 'haproxy_server_status{proxy="health",state="%s"}'
"""How each edge sees each app node: 1 in this state, else 0."""


def _node_rules() -> Iterator[AlertRule]:
    """One app node, as the balancers see it: down for all of them, or for one only."""
    states = ("UP", "DRAIN", "MAINT")
    seen = " + ".join(f"max by (server) ({SEEN % state})" for state in states)
    kept_out = 'max by (server) (haproxy_server_status{proxy="kept_out",state="MAINT"}) == 1'
    node = 'label_replace(%s, "host", "$1", "server", "(.*)")'
    yield AlertRule(
        "app-down",
        f"({node % f'({seen}) == 0'}) unless on (host) ({node % kept_out})"
        ' unless on (host) (up{job="node"} == 0)',
        HEALED_WITHIN,
        "page",
        f"the app on {HOST} does not work, and its healer has not repaired it",
        COVERED,
        "fab incident.triage",  # the healer has restarted it already: something else is wrong
    )
    # Each edge has its own view of a node; HOST is the edge here.
    view = " + ".join(f"sum by (host, server) ({SEEN % state})" for state in states)
    yield AlertRule(
        "edge-drift",
        f"(({view}) == 0) and on (server) ({seen}) == 1",
        HEALED_WITHIN,
        "inform",
        f"{HOST} sees {{{{ $labels.server }}}} down, another edge sees it up",
        f"nothing yet: {HOST} uses the other app nodes only",
        "fab incident.edge-drift",
    )


def app_rules() -> Iterator[AlertRule]:
    """The app on its nodes, as the balancers see it, and its healer."""
    yield from _node_rules()
    yield AlertRule(
        "both-down",
        f"sum({SEEN % 'UP'}) == 0",
        "10s",
        "page",
        "no edge sees an app node UP",
        "every call waits for up to 5 s, then fails; only cached answers come",
        "fab incident.both-down",
    )
    yield AlertRule(
        "app-down",
        'sum by (host) (increase(runbook_healer_restarts_total{cause!="age"}[1h])) > 6',
        "0s",
        "inform",
        f'the app on {HOST} was restarted {{{{ $value | printf "%.0f" }}}} times in an hour',
        "nothing yet: each restart was drained or covered by the other node",
        "fab incident.app-down",
        {"what": "healed often"},
    )
    yield AlertRule(
        "bad-release",
        "count(count by (release) (runbook_release)) > 1",
        "30m",
        "inform",
        "the app nodes run different releases",
        "nothing yet, or answers that differ between two calls",
        "fab releases",
        {"what": "releases differ"},
    )


def database_rules(settings: Settings) -> Iterator[AlertRule]:
    """PostgreSQL: whether it answers, who waits for whom, how many connections are left."""
    most = settings.database.max_connections
    yield AlertRule(
        "db-down",
        'pg_up == 0 unless on (host) (up{job="node"} == 0)',
        "15s",
        "page",
        f"PostgreSQL on {HOST} does not answer",
        "errors from every call that needs the database",
        "fab incident.db-down",
        {"what": "server"},
    )
    yield AlertRule(
        "db-locked",
        f"runbook_lock_wait_seconds > {LOCK_WAIT_SECONDS}",
        "10s",
        "inform",
        f'a session on {HOST} waits for a lock for {{{{ $value | printf "%.0f" }}}} s',
        "calls that need the locked rows or table wait, and fail",
        "fab incident.db-locked",
        {"what": "waits for a lock"},
    )
    yield AlertRule(
        "db-locked",
        f"runbook_idle_transaction_seconds > {IDLE_TRANSACTION_SECONDS}",
        "10s",
        "inform",
        f"a transaction on {HOST} is open and idle for {{{{ $value | humanizeDuration }}}}",
        "nothing yet; what it has locked stays locked, and tables grow",
        "fab incident.db-locked",
        {"what": "idle transaction"},
    )
    for share, lasting, severity, felt in (
        (0.8, "1m", "inform", "nothing until none is left; then errors"),
        (0.95, "20s", "page", "errors from calls that need a new connection to the database"),
    ):
        yield AlertRule(
            "db-connections",
            f"sum by (host) (pg_stat_database_numbackends) > {int(share * most)}",
            lasting,
            severity,
            f"{{{{ $value }}}} of {most} connections to PostgreSQL on {HOST} are in use",
            felt,
            "fab incident.db-connections",
        )
