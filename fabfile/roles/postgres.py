"""PostgreSQL on a host of its own: reachable for the app nodes and nobody else, tuned, restarted when it dies."""

from __future__ import annotations

from ..engine.step import Step
from ..inventory import Node
from ..settings import Settings
from ..steps.file import Directory, File
from ..steps.package import Packages
from ..steps.sql import Index, LoginRole, SqlFile
from ..steps.template import PROJECT, render
from ..steps.unit import Unit

PORT = 5432
"""Debian's first cluster; the runbook looks for its unix socket under this number (engine/pglink.py)."""


def service(settings: Settings) -> str:
    """The systemd unit of the cluster."""
    return f"postgresql@{settings.database.version}-main.service"


def steps(settings: Settings, node: Node) -> list[Step]:
    """The server, up and reachable, with the app's role and its empty database."""
    return [*server(settings, node), *access(settings)]


def server(settings: Settings, node: Node) -> list[Step]:
    """Package, configuration, running unit."""
    db, unit = settings.database, service(settings)
    etc = f"/etc/postgresql/{db.version}/main"
    restart, reload = (f"restart:{unit}",), (f"reload:{unit}",)
    drop_in = f"/etc/systemd/system/{unit}.d"
    return [
        Packages((f"postgresql-{db.version}",)),
        Directory(drop_in),
        File(f"{drop_in}/restart.conf", render("postgres/restart.conf")),
        tuning(settings, node),
        File(f"{etc}/pg_ident.conf", _ident(settings), mode=0o640, owner="postgres:postgres", notify=reload),
        File(f"{etc}/pg_hba.conf", _hba(settings), mode=0o640, owner="postgres:postgres", notify=restart),
        Unit(unit, ready=_ready(PORT)),
    ]


def tuning(settings: Settings, node: Node) -> File:
    """The settings file; PostgreSQL itself reads it before it takes its place, so a wrong value cannot stop the server."""
    db = settings.database
    postgres = f"/usr/lib/postgresql/{db.version}/bin/postgres"
    etc = f"/etc/postgresql/{db.version}/main"
    check = (
        f'install -d -o postgres "$stage/conf.d" && cp {{}} "$stage/conf.d/" && chmod 0755 "$stage" && '
        f'cp {etc}/postgresql.conf "$stage/postgresql.conf" && chown -R postgres "$stage" && '
        f'sed -i "s|^include_dir.*|include_dir = \'$stage/conf.d\'|" "$stage/postgresql.conf" && '
        f'runuser -u postgres -- {postgres} -C shared_buffers -c config_file="$stage/postgresql.conf" >/dev/null && '
        f'rm -rf "$stage/conf.d" "$stage/postgresql.conf" && chown postgres:postgres {{}}'
    )
    return File(
        f"{etc}/conf.d/50-runbook.conf",
        render("postgres/50-runbook.conf", db=db, port=PORT, listen=f"127.0.0.1, {node.address}"),
        owner="postgres:postgres",
        validate=check,
        notify=(f"restart:{service(settings)}",),
    )


def access(settings: Settings) -> list[Step]:
    """Role, database, rights."""
    db = settings.database
    values = {"database": db.name, "user": db.user}
    return [
        LoginRole(db.user, settings.password, connections=db.max_connections - 10),
        SqlFile("020_database", render("020_database.sql", **values)),
        SqlFile("030_rights", render("030_rights.sql", **values), database=db.name),
    ]


def indexes(settings: Settings) -> list[Step]:
    """The indexes the binary forgot, one step each (sql/040_indexes.sql)."""
    lines = (PROJECT / "sql" / "040_indexes.sql").read_text().splitlines()
    wanted = [line.rstrip(";") for line in lines if line.startswith("CREATE INDEX ")]
    return [Index(settings.database.name, line) for line in wanted]


def _hba(settings: Settings) -> str:
    return render("postgres/pg_hba.conf", db=settings.database, nodes=settings.inventory.having("app"))


def _ident(settings: Settings) -> str:
    return render("postgres/pg_ident.conf", ssh_user=settings.ssh.user)


def _ready(port: int) -> str:
    """Waits for the server to answer; its own script is at hand wherever it is installed."""
    return f"timeout 30 sh -c 'until pg_isready -q -p {port}; do sleep 0.1; done'"
