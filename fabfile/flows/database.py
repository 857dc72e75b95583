"""`inv db.tune` and `inv db.status`: show PostgreSQL's settings, tables and connections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..console.json_file import write_json
from ..console.rollup import open_console
from ..engine.errors import DIFFERS, OK
from ..engine.messages import plural, show_megabytes
from ..engine.postgres import connect_database
from ..engine.psql import answer
from ..roles import postgres, seeding
from ..settings.reach import open_fleet
from ..settings.requirements import LOAD
from ..settings.settings import Settings

if TYPE_CHECKING:
    from rich.table import Table

REASONS = {
    "shared_buffers": f"for {LOAD}, the load; PGTune would take a quarter of the memory",
    "work_mem": "for lists that sort and join",
    "max_connections": "two app nodes that open connections without a limit",
    "maintenance_work_mem": "index builds; PGTune: memory / 16",
    "effective_cache_size": "PGTune: three quarters of a small host's memory",
    "random_page_cost": "PGTune for SSD",
    "effective_io_concurrency": "PGTune for SSD",
    "jit": "short queries: compiling costs more than it saves",
    "wal_compression": "fewer writes while seeding",
}
"""Why a setting has its value, for the table. PGTune means its formulas for the profile "web"."""

TABLES = """SELECT c.relname, pg_total_relation_size(c.oid), greatest(c.reltuples, 0)::bigint,
  (SELECT count(*) FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid),
  (SELECT count(*) FROM pg_index i WHERE i.indrelid = c.oid AND NOT i.indisvalid)
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE n.nspname = ANY(%s) AND relkind = 'r' ORDER BY 2 DESC"""

SEED_MARK = (
    "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname ="
    " current_database()"
)

HAS_MARKS = "SELECT to_regclass('runbook.marks') IS NOT NULL"
MARKS = "SELECT what, release, at::timestamptz(0)::text, by FROM runbook.marks ORDER BY at"

CONNECTIONS = """SELECT coalesce(client_addr::text, 'local'), coalesce(state, '?'), count(*)
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() GROUP BY 1, 2 ORDER BY 1, 2"""

LOGINS = "SELECT sessions FROM pg_stat_database WHERE datname = current_database()"
"""Every connection that was ever opened to the database."""

LOGIN_SECONDS = 1.0
"""How long new connections are counted. Programs that open one for each request open dozens."""

MANY_LOGINS = 5
"""New connections in a second from which on the program's pool is worth a look: one that keeps its
connections opens none, one that kept too few opened 30 (decision 0035)."""


def show_tuning(settings: Settings, json: str | None, *, only: bool) -> None:
    """Print the present and the wanted value of each setting.

    Args:
        settings: the site.
        json: where to write the JSON.
        only: nothing follows this table, so it is the report that goes to `json`.
    """
    node = settings.inventory.first_having("postgres")
    wanted = postgres.wanted_settings(settings, node)
    with (
        open_fleet(settings, [node]) as fleet,
        connect_database(fleet.link(node), "postgres") as connection,
    ):
        rows = connection.execute(
            "SELECT name, current_setting(name), pending_restart FROM pg_settings WHERE"
            " name = ANY(%s)",
            [list(wanted)],
        ).fetchall()
        [memory] = fleet.link(node).read(["awk '/MemTotal/{print int($2/1024)}' /proc/meminfo"])
    memory_mb = int(memory.out)
    present = {name: (value, pending) for name, value, pending in rows}
    open_console(json).print(_tuning_table(f"{node.name}, {memory_mb} MB", wanted, present))
    report = {
        "host": node.name,
        "memory_mb": memory_mb,
        "settings": {
            name: {"now": present.get(name, ("?",))[0], "wanted": value}
            for name, value in wanted.items()
        },
    }
    write_json(report, json if only else None)


def _tuning_table(
    title: str, wanted: Mapping[str, str], present: Mapping[str, tuple[str, bool]]
) -> Table:
    """The table of settings; `present` has each value, and whether a restart is pending."""
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
    for name, value in wanted.items():
        current, pending = present.get(name, ("?", False))
        same = current.replace(" ", "") == value.replace(" ", "")
        cell = f"[{'green' if same else 'yellow'}]{current}[/]"
        if pending:
            cell += " (pending restart)"
        table.add_row(name, cell, value, REASONS.get(name, ""))
    return table


def show_database(settings: Settings, json: str | None) -> int:
    """Print the tables, indexes and connections of the app's database.

    Returns:
        The exit code: 2 if an index is missing or invalid, or the data is not complete.

    Raises:
        RunbookError: the database cannot be reached.
    """
    node, name = settings.inventory.first_having("postgres"), settings.database.name
    needs, seed = settings.program.database, seeding.seed_step(settings, None)
    with (
        open_fleet(settings, [node]) as fleet,
        connect_database(fleet.link(node), name) as connection,
    ):
        tables = connection.execute(TABLES, [list(needs.schemas if needs else ())]).fetchall()
        clients = connection.execute(CONNECTIONS).fetchall()
        logins = _count_logins(connection)
        mark = _first_value(connection, SEED_MARK)
        marks = connection.execute(MARKS).fetchall() if _first_value(connection, HAS_MARKS) else []
        steps = postgres.index_steps(settings)
        readings = fleet.link(node).read([step.probe() for step in steps])
        [seeded] = fleet.link(node).read([seed.probe()]) if seed else [None]
    changes = [step.decide(reading) for step, reading in zip(steps, readings, strict=True)]
    missing = [change.sentence for change in changes if change]
    out = open_console(json)
    is_complete = not seed or not seeded or seed.holds_data(answer(seeded, name) or "")
    word = mark or ("" if not seed else "seeded" if is_complete else "never seeded")
    out.print(_tables_table(f"{name} on {node.name}: {word}", tables))
    for what, release, at, by in marks:
        out.print(f"{what:<16} {release:<22} {at} by {by}")
    for client, state, count in clients:
        out.print(f"{client:<16} {state:<22} {plural(count, 'connection')}")
    hint = "   [dim](many: fab runbook app-slow)[/]" if logins >= MANY_LOGINS else ""
    out.print(f"{'new in 1 s':<39} {plural(logins, 'connection')}{hint}")
    for sentence in missing:
        out.print(f"[yellow]to do:[/] {sentence}   [dim](inv db.indexes)[/]")
    report = {
        "host": node.name,
        "database": name,
        "mark": mark,
        "marks": marks,
        "tables": tables,
        "connections": clients,
        "new_connections_per_second": logins,
        "to_do": missing,
    }
    write_json(report, json)
    return OK if not missing and is_complete else DIFFERS


def _tables_table(title: str, rows: Sequence[Sequence[Any]]) -> Table:
    from rich.table import Table

    columns = ("table", "size", "rows (estimate)", "indexes", "invalid")
    table = Table(*columns, box=None, header_style="dim", title=title, title_justify="left")
    for name, size, count, valid, invalid in rows:
        table.add_row(
            name,
            show_megabytes(size),
            f"{count:,}".replace(",", " "),
            str(valid),
            f"[red]{invalid}[/]" if invalid else "·",
        )
    return table


def _count_logins(connection: Any) -> int:
    """How many connections were opened to the database within LOGIN_SECONDS."""
    before = _first_value(connection, LOGINS)
    connection.execute("SELECT pg_sleep(%s)", [LOGIN_SECONDS])
    return int(_first_value(connection, LOGINS) - before)


def _first_value(connection: Any, query: str) -> Any:
    row = connection.execute(query).fetchone()
    return row[0] if row else None
