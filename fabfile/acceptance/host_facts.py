"""What only the hosts themselves can tell; the acceptance works without it and says what it then
did not try."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..control.clocks import Clock
from ..control.counters import EndpointCounts


@dataclass(frozen=True)
class LogBound:
    """How far a node's log can grow, in bytes. `limit` is None when nothing bounds it."""

    used: int
    limit: int | None
    free: int
    how: str = ""


@dataclass(frozen=True)
class DatabaseFacts:
    """Rows of each working table, and the tables that lack a valid index on `id`."""

    rows: Mapping[str, int]
    missing_indexes: Sequence[str] = field(default_factory=tuple)


@dataclass(frozen=True)
class CurlAnswer:
    """What `curl --http3-only` on `host` got: a status (0: none), the protocol's number, seconds,
    curl's complaint.

    `tries` counts the requests until then; only what curl itself lost after a good handshake is
    asked again.
    """

    host: str
    version: str
    status: int
    protocol: str
    seconds: float
    error: str = ""
    tries: int = 1


class NodeFacts(Protocol):
    """Whoever can look at the hosts. Blocking calls; a RunbookError from one makes its row fail
    with that reason."""

    def traffic(self) -> Mapping[str, EndpointCounts]:
        """Per requirement (R4-R13, R19): what the edges' exporters count now, all edges together
        (R17)."""
        ...

    def differences(self) -> Sequence[str]:
        """What a deploy would change now, a sentence each (R18)."""
        ...

    def clocks(self) -> Mapping[str, Clock]:
        """Per host: its clock against this machine's (R21)."""
        ...

    def ready_seconds(self) -> Mapping[str, float]:
        """Per node: seconds from the start of the app's process to its first good /ping (R20)."""
        ...

    def log_bounds(self) -> Mapping[str, LogBound]:
        """Per node: the state of the app's log (R22)."""
        ...

    def database(self) -> DatabaseFacts | None:
        """The state of the data (R18); None when it was not looked at."""
        ...

    def curl_http3(self, url: str, address: str) -> CurlAnswer | None:
        """A GET of `url` at `address` by a host's own curl over HTTP/3 (R15); None when no
        host's curl knows it."""
        ...
