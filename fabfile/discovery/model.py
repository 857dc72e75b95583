"""The data of discovery: the program, an attempt to run it, the facts, and the trail."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from .help_options import Option
from .strace import Event


class Destination(NamedTuple):
    """A TCP address and port."""

    address: str
    port: int

    def __str__(self) -> str:
        return (
            f"[{self.address}]:{self.port}"
            if ":" in self.address
            else f"{self.address}:{self.port}"
        )

    @property
    def is_local(self) -> bool:
        """Whether only processes of the same host can reach it."""
        return self.address.startswith("127.") or self.address == "::1"


@dataclass(frozen=True)
class Program:
    """A binary on a host and the unprivileged user it must run as. `directory` is where it is
    started, `environment` what it gets besides PATH, HOME, USER, LOGNAME and LANG: that may be
    secret."""

    path: str
    user: str
    args: tuple[str, ...] = ()
    directory: str = "/"
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class PortHolder:
    """The process that holds a port. `same`: whether it is this program, or another process of
    its user."""

    pid: int
    command: str
    user: str
    unit: str
    same: bool

    def __str__(self) -> str:
        return f"{self.unit or self.command} (pid {self.pid}, user {self.user})"


@dataclass(frozen=True)
class Page:
    """The answer to a GET request: status (0: no answer that is HTTP), seconds, start of the
    body."""

    path: str
    status: int
    seconds: float
    body: str


@dataclass(frozen=True)
class Attempt:
    """A run under strace and its result. `out` and `err` have no secrets; `raw` is the unmasked
    stdout.

    `outcome` is `listening`, `stalled` (a connect without an answer), `exited` or `deadline`.
    """

    args: tuple[str, ...]
    outcome: str
    code: int = 0
    seconds: float = 0.0
    events: tuple[Event, ...] = ()
    out: str = ""
    err: str = ""
    raw: str = field(default="", repr=False)
    ports: tuple[Destination, ...] = ()
    pages: tuple[Page, ...] = ()
    stalled: Destination | None = None
    holder: PortHolder | None = None

    @property
    def end(self) -> str:
        """How it ended: `exit 2`, `SIGSEGV`; "" if discovery ended it."""
        if self.outcome != "exited":
            return ""
        try:
            return signal.Signals(self.code - 128).name
        except ValueError:
            return f"exit {self.code}"

    @property
    def is_reachable(self) -> bool:
        """Whether other hosts can reach a port of it."""
        return any(not place.is_local for place in self.ports)

    @property
    def output(self) -> str:
        """Its complete output, stderr last."""
        return f"{self.out}\n{self.err}"


class GivenValue(NamedTuple):
    """The value of an environment variable, which may be secret, and the text of a service file
    that stands for it."""

    value: str
    text: str


ValueFor = Callable[[str], GivenValue | None]
"""Gives the value of an environment variable that the program asks for; None if it is unknown."""


class TrailRow(NamedTuple):
    """A row of the trail: command, what was seen, conclusion, action, and seconds."""

    number: int
    ran: str
    observed: str
    concluded: str
    did: str
    seconds: float


def _uncompared_field() -> Any:
    """Make a field that comparisons ignore, because it differs between runs."""
    return field(default=None, compare=False)


@dataclass(frozen=True)
class Facts:
    """What the program needs and does. They come from the run that served, so a prepared
    host gives the same facts."""

    binary_sha256: str
    command: tuple[str, ...]
    """Arguments that make it serve."""
    ports: tuple[Destination, ...]
    """Where it listens, in the order of binding."""
    config: str | None = None
    config_sha256: str = ""
    """SHA-256 of the configuration of the run: the facts are valid only for this content."""
    files: tuple[str, ...] = field(default=(), compare=False)
    """Other files that it read, without its own data."""
    logs: tuple[str, ...] = ()
    """Files that it appends to."""
    directories: tuple[str, ...] = ()
    """Directories where it creates files, which it lists or changes into. They must exist and
    belong to its user."""
    reject: tuple[Destination, ...] = ()
    """Where it calls and gets no answer. A firewall rule that rejects these calls lets it start at
    once."""
    calls: tuple[Destination, ...] = ()
    """Where it calls and gets an answer."""
    version: str = ""
    default_config_command: tuple[str, ...] | None = None
    prepare_command: tuple[str, ...] | None = None
    migrate_command: tuple[str, ...] | None = None
    """Arguments that change the tables to what this release needs."""
    version_command: tuple[str, ...] | None = None
    said: tuple[str, ...] | None = _uncompared_field()
    """Notable lines of its output. (The name is a key of facts.json on the hosts.)"""
    started_in: str = "/"
    """The directory that it must be started in."""
    seconds: float | None = _uncompared_field()
    """From its start to an open port, slowed down a little by strace."""

    @property
    def port(self) -> int:
        """The port at which it serves: the first that other hosts can reach."""
        return next((place for place in self.ports if not place.is_local), self.ports[0]).port

    @property
    def identity(self) -> str:
        """A key that is the same for the same binary and configuration."""
        return hashlib.sha256(f"{self.binary_sha256} {self.config_sha256}".encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Return plain data for `json.dumps`."""
        return {spec.name: getattr(self, spec.name) for spec in fields(self)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Facts:
        """Return the facts from the data of `to_json`.

        Raises:
            TypeError, KeyError, ValueError: the data has another form (an older version wrote it).
        """
        places = ("ports", "reject", "calls")
        plain: dict[str, Any] = {
            k: tuple(v) if isinstance(v, (list, tuple)) else v for k, v in data.items()
        }
        plain.update({k: tuple(Destination(str(a), int(p)) for a, p in data[k]) for k in places})
        return cls(**plain)


@dataclass(frozen=True)
class Variable:
    """An environment variable that it reads, or seems to read. `source` is where its name was
    seen; `value` what its configuration has without it; `random` whether that value is another at
    each start."""

    name: str
    source: str
    value: str = ""
    random: bool = False


@dataclass(frozen=True)
class Hints:
    """What was learned besides the facts, also if it never served: for a person who writes its
    service file."""

    variables: tuple[Variable, ...] = ()
    options: tuple[Option, ...] = ()
    migrate_command: tuple[str, ...] | None = None
    wants_migration: str = ""
    """The message with which it asked for one."""
    wants_variable: str = ""
    """The environment variable without which it ended."""
    packages: tuple[str, ...] = ()
    """Debian packages of the interpreter and the libraries that it loads."""
    missing_libraries: tuple[str, ...] = ()
    version: str = ""
    version_command: tuple[str, ...] | None = None
    args: tuple[str, ...] = ()
    """The arguments of the last attempt."""
    added_args: tuple[str, ...] = ()
    """Those of them that discovery added."""
    directory: str = "/"
    """Where the last attempt was started."""
    port: int = 0
    """Where the last attempt listened; 0: nowhere."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What discovery added to its environment: texts for the service file, without secrets."""
    created: tuple[str, ...] = ()
    """Files that were created for it."""
    default_config: str = ""
    """Its own default configuration, if it prints one."""
    reads_database: bool = False
    pages: tuple[Page, ...] = ()
    """Answers to usual paths, if it was asked for pages."""


@dataclass(frozen=True)
class Discovery:
    """The facts and the trail. `occupied` names the process that already holds the port, if any."""

    facts: Facts
    trail: tuple[TrailRow, ...]
    occupied: str = ""
    hints: Hints = Hints()
