"""One typed, frozen `Settings` from the site file and the environment."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from ..engine.errors import RunbookError
from ..engine.secret import Secret
from .inventory import Inventory

PROJECT = Path(__file__).resolve().parent.parent.parent
LABS = Path("/var/lib/runbook-lab")
"""Where a lab that is up leaves its site file: `<LABS>/<number>/site.toml`."""


@dataclass(frozen=True)
class Ssh:
    """How hosts are reached. `key` and `known_hosts` are files; an empty `key` means the agent's keys."""

    user: str
    known_hosts: Path = Path("known_hosts")
    key: Path | None = None
    port: int = 22
    timeout: float = 8.0
    """Seconds to wait for a connection, a banner and the authentication, each."""


@dataclass(frozen=True)
class App:
    """The opaque binary: where it comes from (a path or URL), what it must hash to, and as whom it runs."""

    binary: str
    sha256: str
    email: str
    user: str = "bingo"
    memory_max: str = "512M"
    log_max_mb: int = 64
    """Size at which the log is rotated; at most twice this and one minute's writing lies on the disk (R22)."""
    lifetime: int = 480
    """Age in seconds at which the healer starts it anew, drained, before it dies by itself (after 10 to 25 minutes); 0: never."""


@dataclass(frozen=True)
class Database:
    """The database the app uses. The password comes from `password_file` or the environment's DB_PASSWORD."""

    name: str = "bingo"
    user: str = "bingo"
    password_file: Path | None = None
    version: int = 17
    shared_buffers: str = "512MB"
    work_mem: str = "16MB"
    max_connections: int = 200


@dataclass(frozen=True)
class Edge:
    """What users touch. `address` is the floating IPv4 address that moves between edges; empty: each has only its own."""

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
    """Requests a second that an app node gets, below the 100 it allows itself: checks and retries come on top."""
    stats_port: int = 8404
    healer_port: int = 8405
    """On the edge's own address, for the app nodes only: their healers see the balancer and drain their own node there."""
    replace: tuple[str, ...] = ()
    """Programs (nginx, haproxy, keepalived) whose configuration by others, found on an edge, the first deploy may replace."""


@dataclass(frozen=True)
class Tls:
    """The edges' certificate: issued by an authority of our own in `store`, or the user's own files."""

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
    """What a release must show on a node before users meet it, and what the balancers must see of it afterwards."""

    seconds: float = 6.0
    """Seconds of probe load on the drained node."""
    rate: int = 30
    """Reads a second of it; with the balancers' checks well below the 100 requests that the app allows."""
    error_percent: float = 1.0
    """The share of failed requests from which a release is bad, in percent."""
    p90_ms: int = 400
    """The p90 of the reads from which a release is bad, in milliseconds (R4-R8)."""
    watch_seconds: float = 3.0
    """Seconds for which the balancers' figures of a node just put back are watched."""


@dataclass(frozen=True)
class Settings:
    """A whole site. `path` is the file it came from; relative paths in it are relative to its folder."""

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
        """What users call over TLS: the service's host at the edges' https port; empty without a service."""
        host = urlsplit(self.service).hostname
        port = "" if self.edge.https_port == 443 else f":{self.edge.https_port}"
        return f"https://{host}{port}" if host else ""


def locate_site(environment: Mapping[str, str] | None = None) -> Path:
    """The site file: what SITE names, else `site.toml` of the project, else the lab that is up.

    Raises:
        RunbookError: there is none.
    """
    env = os.environ if environment is None else environment
    if named := env.get("SITE"):
        return expand(named, "SITE").resolve()
    own = PROJECT / "site.toml"
    if own.exists():
        return own
    number = env.get("LAB")
    labs = [LABS / number / "site.toml"] if number else sorted(LABS.glob("*/site.toml"))
    if labs and labs[0].exists():
        return labs[0]
    raise RunbookError(
        "there is no site file: SITE is not set, site.toml does not exist, no lab is up",
        "every task needs to know the hosts",
        "inv lab.up   (or copy site.example.toml to site.toml and fill it in)",
    )


def expand(text: str, named_by: str) -> Path:
    """The path `text`, a leading ~ as the home folder.

    Raises:
        RunbookError: that home is not known: another user's, or of a user id without a name while HOME is not set.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise RunbookError(
            f"{named_by} names a home that does not exist: {text}",
            "a user id without a line in /etc/passwd has no home, unless HOME is set",
            "write the whole path, or set HOME",
        ) from None


def load_settings(path: Path | None = None) -> Settings:
    """Read and check the site file.

    Raises:
        RunbookError: it is missing, not TOML, or has an unknown key, a wrong type or a wrong value.
    """
    from .loader import Reader

    path = path or locate_site()
    try:
        data = tomllib.loads(_text(path.read_bytes()))
    except FileNotFoundError:
        raise RunbookError(
            f"the site file {path} does not exist", "SITE names it", f"cp site.example.toml {path}, then fill it in"
        ) from None
    except (OSError, ValueError) as error:  # what is no TOML is a ValueError too
        said = error.strerror if isinstance(error, OSError) else error
        raise RunbookError(f"{path}: {said}", "nothing was read from it", f"edit {path}") from None
    return Reader(path).settings(data)


def _text(content: bytes) -> str:
    """TOML is UTF-8; some editors put a mark of their own before it, or save UTF-16.

    Raises:
        ValueError: it is another encoding.
    """
    if b"\0" in content[:64]:  # every second byte of UTF-16 is one, in plain English
        raise ValueError('it is saved as UTF-16 or UTF-32, and must be UTF-8 (an editor\'s "Unicode" means that)')
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"it is not UTF-8, see line {line}: {error.reason}") from None
