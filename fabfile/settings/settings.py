"""One typed, frozen `Settings` from the site file and the environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from ..engine.secret import Secret
from .inventory import Inventory
from .project import PROJECT


@dataclass(frozen=True)
class Ssh:
    """How hosts are reached. `key` and `known_hosts` are files; an empty `key` means the agent's
    keys."""

    user: str
    known_hosts: Path = Path("known_hosts")
    key: Path | None = None
    port: int = 22
    timeout: float = 8.0
    """Seconds to wait for a connection, a banner and the authentication, each."""


@dataclass(frozen=True)
class App:
    """The opaque binary: where it comes from (a path or URL), what it must hash to, and as whom
    it runs."""

    binary: str
    sha256: str
    email: str
    user: str = "bingo"
    memory_max: str = "512M"
    log_max_mb: int = 64
    """Size at which the log is rotated; at most twice this and one minute's writing lies on the
    disk (R22)."""
    lifetime: int = 480
    """Age in seconds at which the healer starts it anew, drained, before it dies by itself
    (after 10 to 25 minutes); 0: never."""


@dataclass(frozen=True)
class Database:
    """The database the app uses. The password comes from `password_file` or the environment's
    DB_PASSWORD."""

    name: str = "bingo"
    user: str = "bingo"
    password_file: Path | None = None
    version: int = 17
    shared_buffers: str = "512MB"
    work_mem: str = "16MB"
    max_connections: int = 200


@dataclass(frozen=True)
class Edge:
    """What users touch. `address` is the floating IPv4 address that moves between edges; empty:
    each has only its own."""

    address: str = ""
    port: int = 80
    https_port: int = 443
    http3: bool = True
    """HTTP/3 on UDP `https_port`; needs nginx 1.25 or newer (Debian 13)."""
    vrrp_id: int = 77
    """Tells this pair's VRRP adverts from other pairs' in the same network."""
    node_maxconn: int = 16
    """Requests in flight at one app node and endpoint; more wait in the balancer."""
    node_rate: int = 92
    """Requests a second that an app node gets, below the 100 it allows itself: checks and
    retries come on top."""
    stats_port: int = 8404
    healer_port: int = 8405
    """On the edge's own address, for the app nodes only: their healers see the balancer and
    drain their own node there."""
    replace: tuple[str, ...] = ()
    """Programs (nginx, haproxy, keepalived) whose configuration by others, found on an edge, the
    first deploy may replace."""


@dataclass(frozen=True)
class Tls:
    """The edges' certificate: issued by an authority of our own in `store`, or the user's own
    files."""

    names: tuple[str, ...] = ()
    """DNS names it is for, besides the addresses."""
    store: Path = Path("secrets/tls")
    """Where the authority and what it issued lie, on the controller only."""
    certificate: Path | None = None
    """The user's own: PEM, leaf first, or PKCS#12. Nothing is issued then."""
    key: Path | None = None
    """Its key, when `certificate` is PEM."""
    passphrase_file: Path | None = None
    """Holds the passphrase of the key or the PKCS#12 file."""


@dataclass(frozen=True)
class Gate:
    """What a release must show on a node before users meet it, and what the balancers must see
    of it afterwards."""

    seconds: float = 6.0
    """Seconds of probe load on the drained node."""
    rate: int = 30
    """Reads a second of it; with the balancers' checks well below the 100 requests that the app
    allows."""
    error_percent: float = 1.0
    """The share of failed requests from which a release is bad, in percent."""
    p90_ms: int = 400
    """The p90 of the reads from which a release is bad, in milliseconds (R4-R8)."""
    watch_seconds: float = 3.0
    """Seconds for which the balancers' figures of a node just put back are watched."""


@dataclass(frozen=True)
class Settings:
    """A whole site. `path` is the file it came from; relative paths in it are relative to its
    folder."""

    path: Path
    name: str
    service: str
    ssh: Ssh
    app: App
    database: Database
    edge: Edge
    tls: Tls
    inventory: Inventory
    password: Secret = field(repr=False)
    gate: Gate = field(default_factory=Gate)

    @property
    def state(self) -> Path:
        """Where this controller keeps runs, facts and downloads of the site."""
        return PROJECT / ".runbook" / self.name

    @property
    def https(self) -> str:
        """What users call over TLS: the service's host at the edges' https port; empty without a
        service."""
        host = urlsplit(self.service).hostname
        port = "" if self.edge.https_port == 443 else f":{self.edge.https_port}"
        return f"https://{host}{port}" if host else ""
