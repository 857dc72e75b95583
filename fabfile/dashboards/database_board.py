"""The dashboard of the database."""

from __future__ import annotations

from ..settings.bounds import IDLE_TRANSACTION_SECONDS, LOCK_WAIT_SECONDS
from ..settings.service import Service
from .model import WINDOW, Dashboard, Graph, Series, Tile, curve


def database_dashboard(service: Service) -> Dashboard:
    """Whether the database is fast, free of locks, and has room."""
    return Dashboard(
        "database",
        "Database",
        "Is it fast, and does anybody wait?",
        (
            Tile("PostgreSQL answers", "", "pg_up", bad_below=1),
            Tile(
                "waiting for a lock",
                "s",
                "max(runbook_lock_wait_seconds)",
                bad_above=LOCK_WAIT_SECONDS,
            ),
            Tile(
                "idle in a transaction",
                "s",
                "max(runbook_idle_transaction_seconds)",
                bad_above=IDLE_TRANSACTION_SECONDS,
            ),
        ),
        _database_graphs(service),
    )


def _database_graphs(service: Service) -> tuple[Graph, ...]:
    ours = f'{{datname="{service.name}"}}'
    hit, read = f"pg_stat_database_blks_hit{ours}", f"pg_stat_database_blks_read{ours}"
    return (
        curve(
            "Connections",
            "",
            "open",
            f"pg_stat_database_numbackends{ours}",
        ),
        curve(
            "New connections",
            "/s",
            "opened",
            f"rate(runbook_database_sessions_total{ours}[{WINDOW}])",
        ),
        Graph(
            "Transactions",
            "/s",
            (
                Series("committed", f"rate(pg_stat_database_xact_commit{ours}[{WINDOW}])"),
                Series("rolled back", f"rate(pg_stat_database_xact_rollback{ours}[{WINDOW}])"),
            ),
        ),
        Graph(
            "Waiting for a lock, longest",
            "s",
            (
                Series("waiting", "max(runbook_lock_wait_seconds)"),
                Series("idle in a transaction", "max(runbook_idle_transaction_seconds)"),
            ),
        ),
        curve(
            "Found in memory",
            "%",
            "share",
            f"rate({hit}[{WINDOW}]) / (rate({hit}[{WINDOW}]) + rate({read}[{WINDOW}]))",
            most=1,
        ),
        curve(
            "Size",
            "B",
            "database",
            f"pg_database_size_bytes{ours}",
        ),
        Graph(
            "Rows read and written",
            "/s",
            tuple(
                Series(word, f"rate(pg_stat_database_tup_{word}{ours}[{WINDOW}])")
                for word in ("fetched", "inserted", "updated", "deleted")
            ),
        ),
    )
