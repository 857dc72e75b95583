"""What only the hosts can show. Without it, the check reports the rows it did not try."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..control.clocks import Clock
from ..control.counters import EndpointCounts


@dataclass(frozen=True)
class LogBound:
    """How far a node's log can grow, in bytes.

    Attributes:
        used: the present size.
        limit: the largest size; None if nothing bounds the log.
        free: free space on the disk.
        how: why nothing bounds the log.
    """

    used: int
    limit: int | None
    free: int
    how: str = ""


@dataclass(frozen=True)
class DatabaseFacts:
    """The rows of each table, the tables without a valid index on `id`, and the tables that the
    seed fills (if that is not known: all of them)."""

    rows: Mapping[str, int]
    missing_indexes: Sequence[str] = field(default_factory=tuple)
    seeded: Sequence[str] = field(default_factory=tuple)


@dataclass(frozen=True)
class CurlAnswer:
    """The answer to `curl --http3-only` on a host.

    Attributes:
        host: where curl ran.
        version: the name and version of curl.
        status: the status of the answer, 0 if there was none.
        protocol: the HTTP version of the answer.
        seconds: how long the request took.
        error: curl's error message.
        tries: how many requests were made. Only an answer that curl lost after a good handshake is
            requested again.
    """

    host: str
    version: str
    status: int
    protocol: str
    seconds: float
    error: str = ""
    tries: int = 1


class NodeFacts(Protocol):
    """Access to the hosts. The calls block.

    If a call raises RunbookError, its row fails with that reason.
    """

    def traffic(self) -> Mapping[str, EndpointCounts]:
        """What the edges' exporters count now, all edges together, by id of the endpoint (R17)."""
        ...

    def differences(self) -> Sequence[str]:
        """What a deploy would change now, one sentence each (R18)."""
        ...

    def clocks(self) -> Mapping[str, Clock]:
        """The clock of each host against this machine's (R21)."""
        ...

    def ready_seconds(self) -> Mapping[str, float]:
        """Seconds from the start of each node's app until its first good /ping (R20)."""
        ...

    def log_bounds(self) -> Mapping[str, LogBound]:
        """How far the app's log on each node can grow (R22)."""
        ...

    def database(self) -> DatabaseFacts | None:
        """The state of the data (R18); None if it was not read, or the program has none."""
        ...

    def curl_http3(self, url: str, address: str) -> CurlAnswer | None:
        """GET `url` from `address` with a host's curl over HTTP/3 (R15).

        None if no host's curl supports HTTP/3.
        """
        ...
