"""One typed, frozen `Settings` from the site file and the environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta

from ..engine.host import Node
from ..engine.kinds import Bastion, Login, Port
from ..engine.secret import Secret
from .edge import Edge
from .inventory import Inventory
from .kinds import (
    AcmeDirectory,
    BinarySource,
    DnsName,
    FolderName,
    Identifier,
    MailAddress,
    MemorySize,
    PlainName,
    PostgresSize,
    ServiceAddress,
    Sha256,
    UserName,
)
from .monitoring import Monitoring
from .project import PROJECT
from .service import Service


@dataclass(frozen=True)
class Ssh:
    """How the controller reaches the hosts."""

    user: Login = ""
    """The user on every host, and on the bastions. It needs `sudo` without a password on the hosts.
    Required, unless `config` is true and ~/.ssh/config has it."""
    known_hosts: Path = Path("known_hosts")
    """The file with the pinned host keys. An unknown or changed key is refused; `fab trust` pins
    it. A line `@cert-authority` accepts each host whose certificate that authority signed."""
    key: Path | None = None
    """The private key. Without it, the keys of the ssh agent are used."""
    port: Port | None = None
    """The TCP port of sshd on every host. Default: 22."""
    jump: tuple[Bastion, ...] = ()
    """The bastions on the way to the hosts, the nearest first: a text, or a list of texts. Their
    keys are pinned and verified like those of the hosts."""
    config: bool = False
    """Whether HostName, Port, User, ProxyJump and IdentityFile are taken from ~/.ssh/config, where
    the site file does not give them. It is asked for `ssh.host` of a host, else for its name."""
    timeout: Annotated[float, Meta(ge=0.1, le=600)] = 8.0
    """Seconds to wait for the connection, the banner, the authentication and the login files,
    each."""


@dataclass(frozen=True, kw_only=True)
class App:
    """The program: its binary, its service file, and how it runs on the app nodes."""

    binary: BinarySource
    """Where the binary comes from: a path on the controller, or a URL."""
    sha256: Sha256
    """The checksum of the binary. It pins the release; another file is refused."""
    service: FolderName = "services/bingo"
    """The folder with the `service.toml` that describes the program. Relative to the folder of the
    site file; if it is not there, to the folder of this project."""
    user: UserName
    """The unprivileged user the app runs as."""
    memory_max: MemorySize
    """The memory limit of the app. Above it the kernel kills the app and systemd starts it
    again."""
    log_max_mb: Annotated[int, Meta(ge=1, le=100_000)]
    """Megabytes at which the log is rotated. The log uses at most twice this size plus one
    minute of writing (R22)."""
    lifetime: Annotated[int, Meta(ge=0, le=1_000_000)]
    """Age in seconds at which the healer drains and restarts the app. 0: never."""
    settings: dict[str, str] = field(default_factory=dict)
    """The values that the program wants of the site: the service file names them, as
    `[setting.NAME]`, with their form and default."""


@dataclass(frozen=True, kw_only=True)
class Database:
    """The PostgreSQL server and the database of the app. The password comes from
    `password_file`, or from DB_PASSWORD in the environment."""

    name: Identifier
    """The database of the app."""
    user: Identifier
    """The database role of the app."""
    password_file: Path | None = None
    """The file with the password. A missing file is created with a random password. Without
    this setting, DB_PASSWORD must be set in the environment."""
    version: Annotated[int, Meta(ge=13, le=99)] = 17
    """The major version of PostgreSQL, as the Debian of the host packages it."""
    shared_buffers: PostgresSize = "512MB"
    """PostgreSQL's `shared_buffers`. `inv db.tune --dry` shows values that fit the host."""
    work_mem: PostgresSize = "16MB"
    """PostgreSQL's `work_mem`: memory for one sort or hash."""
    max_connections: Annotated[int, Meta(ge=20, le=10_000)] = 200
    """PostgreSQL's `max_connections`."""


@dataclass(frozen=True)
class Acme:
    """An authority that browsers trust, asked by ACME (RFC 8555), for example Let's Encrypt. By
    naming it you agree to its terms of service."""

    directory: AcmeDirectory
    """The URL of the authority's directory, for example
    `https://acme-v02.api.letsencrypt.org/directory`."""
    email: MailAddress = ""
    """The e-mail address that the authority may write to. Empty: none."""
    ca: Path | None = None
    """A PEM file with more roots to trust, for an authority that this machine does not know: those
    of its own https, and those of the certificates that it issues."""


@dataclass(frozen=True)
class Tls:
    """The certificate of the edges: issued by an authority of this project, by a public authority
    (`acme`), or your own."""

    names: tuple[DnsName, ...] = ()
    """DNS names in the certificate. The addresses of the edges are added, except with `acme`."""
    store: Path = Path("secrets/tls")
    """The folder with the authority and what it issued, on the controller only. Keep it
    secret, and keep a backup."""
    certificate: Path | None = None
    """Your own certificate: PEM (leaf first) or PKCS#12. Then nothing is issued."""
    key: Path | None = None
    """The private key of `certificate`, when that is PEM."""
    passphrase_file: Path | None = None
    """The file with the passphrase of the key or of the PKCS#12 file."""
    acme: Acme | None = None
    """The authority that issues the certificate for `names`, as `[tls.acme]`. It must reach port 80
    of the service by each of these names."""


@dataclass(frozen=True, kw_only=True)
class Gate:
    """The health gate: what a release must show on each drained node before users reach it. A
    release that fails takes the whole fleet back to the release before."""

    seconds: Annotated[float, Meta(ge=1, le=600)] = 6.0
    """Seconds of probe load on the drained node."""
    rate: Annotated[int, Meta(ge=5, le=80)] = 30
    """Reads per second of the probe load. With the balancers' checks it must stay well below
    the app's limit of 100."""
    error_percent: Annotated[float, Meta(ge=0, le=50)]
    """The highest share of failed requests, in percent. More fails the gate."""
    p90_ms: Annotated[int, Meta(ge=1, le=10_000)]
    """The highest p90 of the reads, in milliseconds (R4-R8). A slower p90 fails the gate."""
    watch_seconds: Annotated[float, Meta(ge=0, le=600)] = 3.0
    """Seconds for which the balancers' figures of a node are watched once users are back on
    it."""


@dataclass(frozen=True)
class Settings:
    """A whole site. `path` is the file it came from; relative paths in it are relative to its
    folder."""

    path: Path
    name: PlainName
    """Names the folder of this site's runs, facts and reports: `.runbook/NAME`. Default: the name
    of the site file without its ending."""
    service: ServiceAddress
    """The address that users call and that `fab check` measures. Default: `edge.address`, else the
    address of the first edge."""
    ssh: Ssh
    app: App
    database: Database
    edge: Edge
    tls: Tls
    inventory: Inventory
    password: Secret = field(repr=False)
    gate: Gate
    program: Service
    """What the program is: its service file."""
    program_folder: Path
    """The folder of that file, with its templates and SQL."""
    secrets: dict[str, Secret] = field(default_factory=dict, repr=False)
    """The secrets of the program (`[secret]` of its service file), by name."""
    monitoring: Monitoring = field(default_factory=Monitoring)
    firewall: Literal["none", "managed"] = "none"
    """Who writes the firewall rules of the hosts. `managed`: the runbook does. Each host then drops
    everything but ssh, ICMP, DHCP and what the system needs, and no other firewall may be on it.
    `none`: somebody else does, or nobody."""

    @property
    def state(self) -> Path:
        """Where this controller keeps runs, facts and downloads of the site."""
        return PROJECT / ".runbook" / self.name

    @property
    def databases(self) -> tuple[Node, ...]:
        """The hosts of the database; empty if the program has none."""
        return self.inventory.having("postgres") if self.program.database else ()

    @property
    def monitors(self) -> tuple[Node, ...]:
        """The hosts that watch the others; empty on a site without monitoring."""
        return self.inventory.having("monitoring")

    @property
    def https(self) -> str:
        """What users call over TLS: the service's host at the edges' https port; empty without a
        service."""
        host = urlsplit(self.service).hostname
        port = "" if self.edge.https_port == 443 else f":{self.edge.https_port}"
        return f"https://{host}{port}" if host else ""
