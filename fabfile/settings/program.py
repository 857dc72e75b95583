"""The parts of a service file that say how a program starts, and what it needs.

Every struct is one table of `service.toml`; a key that is left out has the default written here.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from ..engine.kinds import Port
from .kinds import (
    AddressFamily,
    Count,
    Duration,
    EnvironmentName,
    Extension,
    FileBeside,
    HeaderName,
    HostPath,
    Identifier,
    IndexStatement,
    Line,
    MemorySize,
    OptionalFileBeside,
    OptionalHostPath,
    OptionalLine,
    OptionalUser,
    Package,
    Positive,
    TableName,
    UserName,
    Word,
)


class ServiceTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of a service file. Unknown keys are refused."""


class ProgramNames(ServiceTable, frozen=True):
    """What the program is called, and what it needs of Debian."""

    name: UserName
    """Names the binary in a release, the unit and the database."""
    user: OptionalUser = ""
    """The unprivileged account that it runs as. Default: `name`."""
    packages: tuple[Package, ...] = ()
    """Debian packages that it needs on an app node."""
    version: tuple[str, ...] = ()
    """Arguments with which it prints its version. Not used yet."""


class SettingRule(ServiceTable, frozen=True):
    """A value that the site file gives as `app.settings.NAME`, for use in templates."""

    pattern: str = ".*"
    """A regular expression that the whole value must match."""
    description: Line = "a text"
    """What it must be, in words, for the error message."""
    default: str | None = None
    """The value of a site that gives none. Without a default, the site file must give one."""


class SecretRule(ServiceTable, frozen=True):
    """A random value, made once for each site, the same on all app nodes."""

    bytes: Annotated[int, Meta(ge=8, le=1024)] = 24
    """Random bytes, before they are written as text."""
    form: Literal["url", "hex", "base64"] = "url"
    """How they are written."""


class Sandbox(ServiceTable, frozen=True):
    """What the program may do beyond the usual hardening of its unit. It can only widen it."""

    families: tuple[AddressFamily, ...] = ()
    """Address families of sockets besides IPv4 and IPv6, like `AF_UNIX`."""
    writable_code: bool = False
    """Whether memory may be both writable and executable, as a just-in-time compiler needs."""
    writes: tuple[HostPath, ...] = ()
    """Folders that it may write to, besides those of `[[directory]]`."""
    port_below_1024: bool = False
    """Whether it may listen on a port below 1024."""
    calls: bool = True
    """Whether system calls that discovery did not see are refused."""


class Start(ServiceTable, frozen=True):
    """How a process starts, ends, and how long it lives. Times in seconds."""

    command: tuple[Line, ...] = ()
    """The arguments of the service. Default: as discovered."""
    environment: dict[EnvironmentName, str] = {}
    """Environment variables. Texts may use the variables of templates."""
    directory: HostPath = "/"
    """The working directory."""
    memory_max: MemorySize = "512M"
    """The memory limit. Above it the kernel kills the process and systemd starts it again."""
    lifetime: Count = 0
    """Age at which the healer drains and restarts the process, before the process dies; 0:
    never."""
    ready_seconds: Duration = 50
    """The longest time from start to the first right answer."""
    stop_seconds: Duration = 5
    """The longest time from SIGTERM to the end; then it is killed."""
    graceful_stop: bool = True
    """Whether it finishes requests in flight on SIGTERM. A drain waits until none is, in
    either case."""
    sandbox: Sandbox = Sandbox()
    """What the program may do beyond the usual hardening."""


class Listen(ServiceTable, frozen=True):
    """Where the program listens, if discovery shall not decide."""

    port: Port
    """The TCP port that users' requests go to."""
    address: Literal["any", "node"] = "any"
    """`any`: all addresses of the host; `node`: the host's `address` of the site file."""


class ConfigFile(ServiceTable, frozen=True):
    """A file that the program reads. It belongs to root; the program's group may read it."""

    name: Word
    """Other texts name its path as `{{ file.NAME }}`."""
    template: FileBeside
    """The file beside `service.toml` that it is rendered from (Jinja)."""
    path: OptionalHostPath = ""
    """Where it goes on the host. Default: where discovery saw that the program reads it."""
    mode: Literal["0600", "0640", "0644"] = "0640"
    """Who may read it: `0600` root, `0640` the program too, `0644` everybody. A template with a
    secret must not be `0644`."""
    change: Literal["restart", "reload", "nothing"] = "restart"
    """What the program needs when the file has changed."""


class KeptDirectory(ServiceTable, frozen=True):
    """A folder that the program writes to."""

    path: HostPath
    """The folder on the host. It is made, and belongs to the program."""
    holds: Literal["state", "cache", "uploads", "log"] = "cache"
    """`state` and `uploads` are lost with the node: they are refused on more than one app node,
    unless `nodes.state` is `own`."""
    max_mb: Count = 0
    """The most that it may hold, in megabytes; 0: no bound. A bound is not supported yet."""


class LogRule(ServiceTable, frozen=True):
    """Where the program logs. Default: as discovered."""

    to: Literal["journal", "file"]
    """`journal`: what it prints; `file`: the files that discovery finds."""
    max_mb: Positive = 64
    """Megabytes at which a file is rotated."""


class ClientAddress(ServiceTable, frozen=True):
    """How the program learns the address of a client."""

    address: HeaderName = "X-Forwarded-For"
    """The request header with the address of the client."""


class NodeState(ServiceTable, frozen=True):
    """What an app node keeps for itself between two requests."""

    state: Literal["none", "cache", "own"] = "none"
    """`cache`: answers may differ between nodes for `cache_seconds`. `own`: what a node keeps, the
    other nodes do not have, and it is lost with the node. `fab check` says so at R1."""
    cache_seconds: Count = 0
    """Seconds for which the answers of two nodes may differ. Nothing derives from it yet."""
    active: Literal["all", "one"] = "all"
    """`one`: a single writer; the other node stands by. Not supported yet."""
    sticky: OptionalLine = ""
    """What ties a client to a node: `cookie:NAME`, `query:NAME`, `header:NAME` or `source`. Not
    supported yet."""


class Migration(ServiceTable, frozen=True):
    """How a release changes the tables, once, before its first node is rolled."""

    command: tuple[Line, ...]
    """The arguments of the new release that change the tables and end."""
    environment: dict[EnvironmentName, str] = {}
    """Variables for this command, besides those of `[start]`."""
    version: str = ""
    """A query whose single value is the version of the tables."""
    alone: bool = True
    """Whether two at once would harm each other."""
    compatible: Literal["previous", "none"] = "previous"
    """`previous`: the release before works on the new tables, so a rollback changes the binary
    only."""
    seconds: Duration = 600
    """The longest time that it may take."""


class SeedRule(ServiceTable, frozen=True):
    """How an empty database gets its first rows: by a command of the program, or by SQL."""

    command: tuple[Line, ...] = ()
    """The arguments of the program that fill the tables and end."""
    sql: OptionalFileBeside = ""
    """A file beside `service.toml`. A statement names a value as `:NAME`, or `:'NAME'` as text."""
    values: dict[Word, str] = {}
    """The values that the SQL names. They may use the variables of templates."""
    rows: tuple[TableName, ...] = ()
    """Tables that must not be empty afterwards."""
    seconds: Duration = 3600
    """The longest time that it may take."""


class IndexRule(ServiceTable, frozen=True):
    """An index that the program's own tables lack."""

    sql: IndexStatement
    """The statement as `pg_get_indexdef` prints it."""


class DatabaseNeeds(ServiceTable, frozen=True):
    """What the program needs of PostgreSQL."""

    schemas: tuple[Identifier, ...] = ("public",)
    """The schemas that hold its tables."""
    extensions: tuple[Extension, ...] = ()
    """The extensions that its tables need."""
    connections: Positive = 20
    """The most connections of one app node."""
    role_not: tuple[Identifier, ...] = ()
    """Names that its database role must not have."""
    migrate: Migration | None = None
    """How a release changes the tables. Without it, none does."""
    seed: SeedRule | None = None
    """How the tables get their first rows. Without it, they get none."""
    indexes: tuple[IndexRule, ...] = field(default=(), name="index")
    """Indexes that the runbook adds."""
