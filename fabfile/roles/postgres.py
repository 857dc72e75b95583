"""PostgreSQL on a host of its own: reachable for the app nodes and nobody else, tuned, restarted
when it dies."""

from __future__ import annotations

import re

from ..engine.host import Node
from ..engine.step import Step
from ..settings.bingo import SERVICE
from ..settings.settings import Settings
from ..settings.template import render_template
from ..steps.block import Block
from ..steps.file import Directory, File
from ..steps.package import Packages
from ..steps.sql import Index, LoginRole, SqlFile
from ..steps.unit import Unit
from .postgres_steps import Cluster, IncludeDir, SettingsInEffect

PORT = 5432
"""Debian's first cluster; the runbook looks for its unix socket under this number
(engine/pglink.py)."""


def postgres_unit(settings: Settings) -> str:
    """The systemd unit of the cluster."""
    return f"postgresql@{settings.database.version}-main.service"


def postgres_steps(settings: Settings, node: Node) -> list[Step]:
    """The server, up and reachable, with the app's role and its empty database."""
    return [*server_steps(settings, node), *access_steps(settings)]


def server_steps(settings: Settings, node: Node) -> list[Step]:
    """Package, cluster, configuration, running unit, and the settings in effect."""
    db, unit = settings.database, postgres_unit(settings)
    etc = f"/etc/postgresql/{db.version}/main"
    restart, reload = (f"restart:{unit}",), (f"reload:{unit}",)
    drop_in = f"/etc/systemd/system/{unit}.d"
    running = Unit(unit, ready=_ready_command(PORT))
    return [
        Packages((f"postgresql-{db.version}",)),
        Cluster(db.version),
        Directory(drop_in),
        File(f"{drop_in}/restart.conf", render_template("postgres/restart.conf")),
        IncludeDir(etc, notify=restart),
        tuning_step(settings, node),
        _block(f"{etc}/pg_ident.conf", _ident_text(settings), FORMER_IDENT, notify=reload),
        hba(settings, notify=reload),
        running,
        SettingsInEffect(wanted(settings, node), db.name, db.user, running, notify=restart),
    ]


def hba(settings: Settings, notify: tuple[str, ...] = ()) -> Block:
    """Who may connect: our lines on top, others' below them; ours shut the app's database to
    whom theirs let in."""
    db = settings.database
    text = render_template(
        "postgres/pg_hba.conf",
        db=db,
        nodes=settings.inventory.having("app"),
        watched=bool(settings.monitors),
    )
    guard = render_template("postgres/pg_hba.guard.conf", db=db)
    path = f"/etc/postgresql/{db.version}/main/pg_hba.conf"
    return _block(path, text, FORMER_HBA, guard=guard, guarded=NETWORK, notify=notify)


def _block(
    path: str,
    text: str,
    former: str,
    guard: str = "",
    guarded: str = "",
    notify: tuple[str, ...] = (),
) -> Block:
    return Block(
        path,
        text,
        0o640,
        "postgres:postgres",
        former=former,
        guard=guard,
        guarded=guarded,
        notify=notify,
    )


FORMER_HBA = (
    r"# Written by the runbook\.|# TYPE |local +all +postgres +peer map=runbook$|host +\S+ +\S+"
    r" +\S+ +scram-sha-256   # "
)
FORMER_IDENT = r"# |runbook +"
"""Lines of the files that the runbook wrote whole, before it kept others' lines."""

NETWORK = (
    r"^\s*(include|host\w*\s+\S+\s+\S+\s+(?=\S)(?!127\.0\.0\.1/32|::1/128|localhost\b|samehost\b))"
)
"""A line of pg_hba.conf that may let somebody in over the network; not Debian's own ones for
loopback."""


def wanted(settings: Settings, node: Node) -> dict[str, str]:
    """The settings of configs/postgres/50-runbook.conf, rendered."""
    lines = re.findall(r"^(\w+) = (.*)$", tuning_step(settings, node).content, re.M)
    return {name: value.strip().strip("'") for name, value in lines}


def tuning_step(settings: Settings, node: Node) -> File:
    """The settings file; PostgreSQL itself reads it before it takes its place, so a wrong value
    cannot stop the server."""
    db = settings.database
    postgres = f"/usr/lib/postgresql/{db.version}/bin/postgres"
    etc = f"/etc/postgresql/{db.version}/main"
    check = (
        'install -d -o postgres "$stage/conf.d" && cp {} "$stage/conf.d/" && chmod 0755 "$stage"'
        f' && cp {etc}/postgresql.conf "$stage/postgresql.conf" && chown -R postgres "$stage" &&'
        ' sed -i "s|^include_dir.*|include_dir = \'$stage/conf.d\'|" "$stage/postgresql.conf" &&'
        f" runuser -u postgres -- {postgres} -C shared_buffers -c"
        ' config_file="$stage/postgresql.conf" >/dev/null && rm -rf "$stage/conf.d"'
        ' "$stage/postgresql.conf" && chown postgres:postgres {}'
    )
    return File(
        f"{etc}/conf.d/50-runbook.conf",
        render_template(
            "postgres/50-runbook.conf", db=db, port=PORT, listen=f"127.0.0.1, {node.address}"
        ),
        owner="postgres:postgres",
        validate=check,
        notify=(f"restart:{postgres_unit(settings)}",),
    )


def access_steps(settings: Settings) -> list[Step]:
    """Role, database, rights."""
    db = settings.database
    values = {"database": db.name, "user": db.user}
    watcher = [SqlFile("040_monitoring", render_template("040_monitoring.sql"))]
    return [
        LoginRole(db.user, settings.password, connections=db.max_connections - 10),
        SqlFile("020_database", render_template("020_database.sql", **values)),
        SqlFile("030_rights", render_template("030_rights.sql", **values), database=db.name),
        *(watcher if settings.monitors else []),
    ]


def index_steps(settings: Settings) -> list[Step]:
    """The indexes the binary forgot, one step each."""
    return [Index(settings.database.name, line) for line in SERVICE.indexes]


def _ident_text(settings: Settings) -> str:
    return render_template("postgres/pg_ident.conf", ssh_user=settings.ssh.user)


def _ready_command(port: int) -> str:
    """Waits for the server to answer; its own script is at hand wherever it is installed."""
    return f"timeout 30 sh -c 'until pg_isready -q -p {port}; do sleep 0.1; done'"
