"""The role of PostgreSQL's host: the server, who may connect, and the app's role and database.

Only the app nodes can connect over the network. systemd restarts a server that dies.
"""

from __future__ import annotations

import re

from ..engine.host import Node
from ..engine.step import Step
from ..settings.paths import DATABASE_PORT
from ..settings.reach import host_address
from ..settings.settings import Settings
from ..settings.template import render_template
from ..steps.block import Block
from ..steps.file import Directory, File
from ..steps.package import Packages
from ..steps.sql import Index, LoginRole, SqlFile
from ..steps.unit import Unit
from .postgres_steps import Cluster, IncludeDir, SettingsInEffect

PORT = DATABASE_PORT
"""The port of the server."""


def postgres_unit(settings: Settings) -> str:
    """The systemd unit of the cluster."""
    return f"postgresql@{settings.database.version}-main.service"


def postgres_steps(settings: Settings, node: Node) -> list[Step]:
    """The server, with the app's role and its empty database. The data is a later phase."""
    return [*server_steps(settings, node), *access_steps(settings)]


def server_steps(settings: Settings, node: Node) -> list[Step]:
    """Package, cluster, configuration, running unit, and the settings in effect."""
    db, unit = settings.database, postgres_unit(settings)
    etc = f"/etc/postgresql/{db.version}/main"
    restart = (f"restart:{unit}",)
    reload = (f"reload:{unit}",)
    drop_in = f"/etc/systemd/system/{unit}.d"
    running = Unit(unit, ready=_ready_command(PORT))
    return [
        Packages((f"postgresql-{db.version}",)),
        Cluster(db.version),
        Directory(drop_in),
        File(f"{drop_in}/restart.conf", render_template("postgres/restart.conf")),
        IncludeDir(etc, notify=restart),
        tuning_step(settings, node),
        _postgres_block(
            f"{etc}/pg_ident.conf", _ident_text(settings), former=FORMER_IDENT, notify=reload
        ),
        hba_step(settings, notify=reload),
        running,
        # Last, because only a running server can say which settings it uses.
        SettingsInEffect(
            wanted_settings(settings, node), db.name, db.user, running, notify=restart
        ),
    ]


def hba_step(settings: Settings, notify: tuple[str, ...] = ()) -> Block:
    """Who may connect: our lines at the top of pg_hba.conf, the lines of others below.

    PostgreSQL uses the first line that matches. If a line of others lets somebody in over the
    network, our block also gets lines that close the app's database and role to everybody else.
    """
    db = settings.database
    text = render_template(
        "postgres/pg_hba.conf",
        db=db,
        nodes=settings.inventory.having("app"),
        watched=bool(settings.monitors),
    )
    guard = render_template("postgres/pg_hba.guard.conf", db=db)
    path = f"/etc/postgresql/{db.version}/main/pg_hba.conf"
    return _postgres_block(
        path, text, former=FORMER_HBA, guard=guard, guarded=NETWORK_LINE, notify=notify
    )


def _postgres_block(
    path: str,
    text: str,
    *,
    former: str,
    guard: str = "",
    guarded: str = "",
    notify: tuple[str, ...] = (),
) -> Block:
    """A block in a file that the server reads; the mode keeps other users out, as Debian's does."""
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
"""Match the runbook's lines in files of an earlier version, which wrote pg_hba.conf and
pg_ident.conf as a whole. `Block` removes these lines."""

NETWORK_LINE = (
    r"^\s*(include|host\w*\s+\S+\s+\S+\s+(?=\S)(?!127\.0\.0\.1/32|::1/128|localhost\b|samehost\b))"
)
"""Matches a line of pg_hba.conf that may let somebody in over the network. Debian's own lines for
the loopback do not match."""


def wanted_settings(settings: Settings, node: Node) -> dict[str, str]:
    """Each setting in our file on `node` (configs/postgres/50-runbook.conf), with its value."""
    lines = re.findall(r"^(\w+) = (.*)$", tuning_step(settings, node).content, re.M)
    return {name: value.strip().strip("'") for name, value in lines}


def tuning_step(settings: Settings, node: Node) -> File:
    """Our settings file.

    PostgreSQL reads a copy of the configuration before the file is installed. So a wrong value
    fails this step, and cannot stop the server at its next start.
    """
    db = settings.database
    postgres = f"/usr/lib/postgresql/{db.version}/bin/postgres"
    etc = f"/etc/postgresql/{db.version}/main"
    # `$stage` is the folder that holds the new file. The server needs the whole configuration to
    # judge one file, and reads it as its own user. `-C` prints one value and starts nothing.
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
    """The app's role, its database and its rights; the exporter's role on a watched site."""
    db = settings.database
    values = {"database": db.name, "user": db.user}
    extensions = [
        SqlFile(
            "035_extensions",
            render_template("035_extensions.sql", extensions=needs.extensions),
            database=db.name,
        )
        for needs in (settings.program.database,)
        if needs and needs.extensions
    ]
    exporter_role = [SqlFile("040_monitoring", render_template("040_monitoring.sql"))]
    return [
        # The app's role leaves some connections free for people and for the exporter.
        LoginRole(db.user, settings.password, connections=db.max_connections - 10),
        SqlFile("020_database", render_template("020_database.sql", **values)),
        SqlFile("030_rights", render_template("030_rights.sql", **values), database=db.name),
        *extensions,
        *(exporter_role if settings.monitors else []),
    ]


def index_steps(settings: Settings) -> list[Step]:
    """The indexes that the binary does not create, one step each."""
    return [Index(settings.database.name, line) for line in settings.program.indexes]


def _ident_text(settings: Settings) -> str:
    login = host_address(settings, settings.inventory.first_having("postgres"))
    return render_template("postgres/pg_ident.conf", ssh_user=login.user)


def _ready_command(port: int) -> str:
    """Shell command that waits up to 30 s until the server answers. `pg_isready` comes with the
    server's package."""
    return f"timeout 30 sh -c 'until pg_isready -q -p {port}; do sleep 0.1; done'"
