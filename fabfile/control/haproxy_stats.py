"""What HAProxy on an edge says of nodes and healers, by its socket."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..engine.host import Node

SOCKET = "/run/haproxy/admin.sock"
ADMIN = f"socat -t2 stdio unix-connect:{SOCKET}"
"""Shell text: sends its input to HAProxy. (Without `unix-connect` socat makes a plain file where
it finds no socket, as after a kill -9, and HAProxy cannot start for it.)"""


def healing_probe(nodes: Sequence[Node]) -> str:
    """Read-only shell text that prints, for `parse_healing`, what the nodes' healers do by way
    of this edge."""
    asked = "".join(f"get var proc.healer_drained{number};" for number, _ in enumerate(nodes, 1))
    asked += "get var proc.healer_away;get var proc.healer_until"
    return f"echo '{asked}' | {ADMIN} 2>/dev/null; date +now=%s"


@dataclass(frozen=True)
class Healing:
    """What the healers do: the nodes they have drained here, and the address of the one that is
    away on purpose (or nothing)."""

    drained: tuple[str, ...] = ()
    away: str = ""


def parse_healing(nodes: Sequence[Node], text: str) -> Healing:
    """The output of `healing_probe` for the same `nodes`."""
    found = dict(re.findall(r"^proc\.healer_(\w+): type=\w+ value=<(.*)>$", text, re.M))
    drained = tuple(
        node.name for number, node in enumerate(nodes, 1) if found.get(f"drained{number}") == "1"
    )
    now = int(text.rpartition("now=")[2] or 0)
    return Healing(drained, found.get("away", "") if int(found.get("until", 0)) > now else "")


def stat_script() -> str:
    """Script that prints HAProxy's statistics as CSV, for `parse_stat`."""
    return f"echo 'show stat' | {ADMIN}"


@dataclass(frozen=True)
class Server:
    """A node as one edge's balancer sees it. `in_flight` counts its requests over all backends."""

    node: str
    status: str
    in_flight: int
    queued: int
    requests: int = 0
    """Given to it since the balancer's start."""
    errors: int = 0
    """5xx from it, broken connections, and requests that had to be asked again elsewhere."""

    @property
    def up(self) -> bool:
        """Whether it gets requests."""
        return self.status.startswith("UP")


def parse_stat(csv: str) -> dict[str, Server]:
    """The nodes in the output of `stat_script`, by name; panic servers are counted to their
    node's requests."""
    rows = [line.split(",") for line in csv.splitlines() if line and not line.startswith("#")]
    head = next(
        (line.lstrip("# ").split(",") for line in csv.splitlines() if line.startswith("#")), []
    )
    if not head:
        return {}
    at = {title: number for number, title in enumerate(head)}
    status: dict[str, str] = {}
    load: dict[str, list[int]] = {}
    for row in rows:
        name, backend = row[at["svname"]], row[at["pxname"]]
        if name in ("FRONTEND", "BACKEND"):
            continue
        if backend == "health":
            status[name] = row[at["status"]]
            continue
        sums = load.setdefault(name.removeprefix("panic-"), [0] * len(SUMMED))
        for place, titles in enumerate(SUMMED):
            sums[place] += sum(int(row[at[title]] or 0) for title in titles if title in at)
    return {
        name: Server(name, seen, *load.get(name, [0] * len(SUMMED)))
        for name, seen in status.items()
    }


SUMMED = (("scur",), ("qcur",), ("stot",), ("hrsp_5xx", "econ", "eresp", "wretr"))
"""HAProxy's columns behind `Server`'s numbers."""
