"""Read the state of nodes and healers from HAProxy's socket on an edge."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..engine.host import Node

SOCKET = "/run/haproxy/admin.sock"
ADMIN = f"socat -t2 stdio unix-connect:{SOCKET}"
"""Shell command that sends its input to HAProxy. Without `unix-connect`, socat creates a plain file
when there is no socket (as after kill -9), and that file keeps HAProxy from starting."""


def healing_probe(nodes: Sequence[Node]) -> str:
    """Read-only shell text that prints what the healers of `nodes` have set in HAProxy on this
    edge; `parse_healing` reads its output."""
    commands = "".join(f"get var proc.healer_drained{number};" for number in _numbers(nodes))
    commands += "get var proc.healer_away;get var proc.healer_until"
    return f"echo '{commands}' | {ADMIN} 2>/dev/null; date +now=%s"


@dataclass(frozen=True)
class Healing:
    """What the healers do on one edge: `drained` holds the nodes that they drained. `away` is the
    address of the node whose healer holds the restart lease, or empty."""

    drained: tuple[str, ...] = ()
    away: str = ""


def parse_healing(nodes: Sequence[Node], text: str) -> Healing:
    """Parse the output of `healing_probe` for the same `nodes`."""
    found = dict(re.findall(r"^proc\.healer_(\w+): type=\w+ value=<(.*)>$", text, re.M))
    drained = tuple(
        node.name
        for number, node in zip(_numbers(nodes), nodes, strict=True)
        if found.get(f"drained{number}") == "1"
    )
    now = int(text.rpartition("now=")[2] or 0)
    return Healing(drained, found.get("away", "") if int(found.get("until", 0)) > now else "")


def _numbers(nodes: Sequence[Node]) -> range:
    """The numbers of the nodes in HAProxy's variables, from 1."""
    return range(1, len(nodes) + 1)


def stat_script() -> str:
    """Script that prints HAProxy's statistics as CSV; `parse_stat` reads its output."""
    return f"echo 'show stat' | {ADMIN}"


def stat_rows(csv: str) -> Iterator[dict[str, str]]:
    """The rows in the output of `stat_script`, by column; none if it has no head."""
    lines = csv.splitlines()
    head = next((line.lstrip("# ").split(",") for line in lines if line.startswith("#")), [])
    for line in lines:
        if head and line and not line.startswith("#"):
            yield dict(zip(head, line.split(","), strict=False))


@dataclass(frozen=True)
class Server:
    """An app node as HAProxy on one edge sees it. The numbers are sums over all backends."""

    node: str
    status: str
    in_flight: int
    queued: int
    requests: int = 0
    """Requests that the node got since HAProxy started."""
    errors: int = 0
    """Answers with 5xx, broken connections and retries since HAProxy started."""

    @property
    def up(self) -> bool:
        """Whether the node gets requests."""
        return self.status.startswith("UP")


def parse_stat(csv: str) -> dict[str, Server]:
    """The app nodes in the output of `stat_script`, by name. The backend `health` has their status.
    The requests of a last-resort server (`panic-NODE`) count for its node."""
    status: dict[str, str] = {}
    sums: dict[str, Counter[str]] = {}
    for row in stat_rows(csv):
        name, backend = row["svname"], row["pxname"]
        if name in ("FRONTEND", "BACKEND"):
            continue
        if backend == "health":
            status[name] = row["status"]
            continue
        node = sums.setdefault(name.removeprefix("panic-"), Counter())
        for field, columns in SUMMED_COLUMNS.items():
            node[field] += sum(int(row.get(column) or 0) for column in columns)
    return {
        name: _make_server(name, text, sums.get(name, Counter())) for name, text in status.items()
    }


def _make_server(name: str, status: str, sums: Counter[str]) -> Server:
    return Server(
        name,
        status,
        in_flight=sums["in_flight"],
        queued=sums["queued"],
        requests=sums["requests"],
        errors=sums["errors"],
    )


SUMMED_COLUMNS = {
    "in_flight": ("scur",),
    "queued": ("qcur",),
    "requests": ("stot",),
    "errors": ("hrsp_5xx", "econ", "eresp", "wretr"),
}
"""The columns of HAProxy's statistics that make up each number of a `Server`."""
