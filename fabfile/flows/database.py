"""What the database says of itself: its settings against the wanted ones, its tables, indexes
and connections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..console.json_file import write_json
from ..console.rollup import open_console
from ..engine.errors import DIFFERS, OK
from ..engine.postgres import connect_database
from ..engine.words import plural
from ..roles import postgres
from ..settings.reach import open_fleet
from ..settings.requirements import LOAD, SESSION_LIST
from ..settings.settings import Settings

if TYPE_CHECKING:
    from rich.table import Table

WHY = {
    "shared_buffers": f"for {LOAD.id} ({LOAD.bound}); PGTune would take a quarter of the memory",
    "work_mem": f"for {SESSION_LIST.id}: the session list sorts and joins",
    "max_connections": "two app nodes that open without bound",
    "maintenance_work_mem": "index builds; PGTune: memory / 16",
    "effective_cache_size": "PGTune: three quarters of a small host's memory",
    "random_page_cost": "PGTune for SSD",
    "effective_io_concurrency": "PGTune for SSD",
    "jit": "short queries: compiling costs more than it saves",
    "wal_compression": "less to write while seeding",
}
"""Why a setting has its value, for the table; formulas of PGTune are for its profile «web»."""

TABLES = """SELECT c.relname, pg_total_relation_size(c.oid), greatest(c.reltuples, 0)::bigint,
  (SELECT count(*) FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid),
  (SELECT count(*) FROM pg_index i WHERE i.indrelid = c.oid AND NOT i.indisvalid)
FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 2 DESC"""

MARK = (
    "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname ="
    " current_database()"
)

CONNECTIONS = """SELECT coalesce(client_addr::text, 'local'), coalesce(state, '?'), count(*)
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() GROUP BY 1, 2 ORDER BY 1, 2"""


def show_tuning(settings: Settings, json: str | None, *, only: bool) -> None:
    """Print each setting as it is and as it should be; `only`: it is the whole report, so it is
    what goes to `json`."""
    node = settings.inventory.one("postgres")
    should = postgres.wanted(settings, node)
    with (
        open_fleet(settings, [node]) as fleet,
        connect_database(fleet.link(node), "postgres") as connection,
    ):
        rows = connection.execute(
            "SELECT name, current_setting(name), pending_restart, source FROM pg_settings WHERE"
            " name = ANY(%s)",
            [list(should)],
        ).fetchall()
        memory = (
            fleet.link(node)
            .read(["awk '/MemTotal/{print int($2/1024)}' /proc/meminfo"])[0]
            .out.strip()
        )
    now = {name: (value, pending, source) for name, value, pending, source in rows}
    open_console(json).print(_tuning_table(f"{node.name}, {memory} MB", should, now))
    report = {
        "host": node.name,
        "memory_mb": int(memory),
        "settings": {n: {"now": now.get(n, ("?",))[0], "wanted": v} for n, v in should.items()},
    }
    write_json(report, json if only else None)


def _tuning_table(
    title: str, should: Mapping[str, str], now: Mapping[str, tuple[str, bool, str]]
) -> Table:
    """`now` is the value of each setting, whether a restart is pending, and its source."""
    from rich.table import Table

    table = Table(
        "setting",
        "now",
        "wanted",
        "why",
        box=None,
        header_style="dim",
        title=title,
        title_justify="left",
    )
    for name, value in should.items():
        current, pending, _ = now.get(name, ("?", False, ""))
        mark = "[green]" if current.replace(" ", "") == value.replace(" ", "") else "[yellow]"
        table.add_row(
            name,
            f"{mark}{current}[/]" + (" (pending restart)" if pending else ""),
            value,
            WHY.get(name, ""),
        )
    return table


def show_database(settings: Settings, json: str | None) -> int:
    """Print tables, indexes, connections; 2 when an index is missing or invalid or the data is not
    complete.

    Raises:
        RunbookError: the database cannot be reached.
    """
    node, name = settings.inventory.one("postgres"), settings.database.name
    with (
        open_fleet(settings, [node]) as fleet,
        connect_database(fleet.link(node), name) as connection,
    ):
        tables = connection.execute(TABLES).fetchall()
        clients = connection.execute(CONNECTIONS).fetchall()
        mark = _first_value(connection, MARK)
        steps = postgres.index_steps(settings)
        readings = fleet.link(node).read([step.probe() for step in steps])
    missing = [
        change.sentence
        for step, seen in zip(steps, readings, strict=True)
        if (change := step.decide(seen))
    ]
    out = open_console(json)
    out.print(_tables_table(f"{name} on {node.name}: {mark or 'never seeded'}", tables))
    for client, state, count in clients:
        out.print(f"{client:<16} {state:<22} {plural(count, 'connection')}")
    for sentence in missing:
        out.print(f"[yellow]to do:[/] {sentence}   [dim](inv db.indexes)[/]")
    report = {
        "host": node.name,
        "database": name,
        "mark": mark,
        "tables": tables,
        "connections": clients,
        "to_do": missing,
    }
    write_json(report, json)
    return OK if not missing and str(mark).startswith("runbook: seeded") else DIFFERS


def _tables_table(title: str, rows: Sequence[Sequence[Any]]) -> Table:
    from rich.table import Table

    heads = ("table", "size", "rows (estimate)", "indexes", "invalid")
    table = Table(*heads, box=None, header_style="dim", title=title, title_justify="left")
    for relation, size, count, valid, invalid in rows:
        wrong = f"[red]{invalid}[/]" if invalid else "·"
        table.add_row(
            relation, f"{size / 1e6:.1f} MB", f"{count:,}".replace(",", " "), str(valid), wrong
        )
    return table


def _first_value(connection: Any, query: str) -> Any:
    row = connection.execute(query).fetchone()
    return row[0] if row else None
