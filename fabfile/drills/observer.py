"""Polls every edge's balancer and every app node several times a second, over one ssh channel per
host."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..control import haproxy_stats
from ..control.edge_drain import EDGE_DRAINED
from ..control.front import Front
from ..control.site_front import find_front
from ..engine.errors import RunbookError
from ..engine.host import Node
from ..engine.shell import q
from ..settings.paths import app_unit
from ..settings.reach import open_fleet
from ..settings.settings import Settings

PAUSE = 0.2
"""Seconds between two replies of one host."""
SILENT = 1.5
"""Seconds without a reply after which a host counts as unreachable."""


@dataclass(frozen=True)
class EdgeSnapshot:
    """An edge: whether it serves users, and how its balancer sees the nodes (empty: it does not
    answer). `drained`: whether it is out of service on purpose."""

    serves: bool
    nodes: Mapping[str, str] = field(default_factory=dict)
    drained: bool = False

    @property
    def up(self) -> set[str]:
        """The nodes that it sends requests to."""
        return {node for node, status in self.nodes.items() if is_up(status)}


@dataclass(frozen=True)
class AppSeen:
    """An app node: the app's process (0: none), and whether its unit says it is ready."""

    pid: int
    ready: bool


HostState = EdgeSnapshot | AppSeen
OnReply = Callable[[float, str, HostState | None], None]
"""Called with each reply: when (time.monotonic), which host, its state (None: no reply)."""


@dataclass(frozen=True)
class Snapshot:
    """The state of every host at one moment; None for an unreachable host."""

    edges: Mapping[str, EdgeSnapshot | None]
    apps: Mapping[str, AppSeen | None]

    def is_well(self, front: Front) -> bool:
        """Every edge sees every node up, every app is ready, and the edges that should serve behind
        `front` do."""
        if not all(
            seen and seen.nodes and all(map(is_up, seen.nodes.values()))
            for seen in self.edges.values()
        ):
            return False
        serving = [seen.serves for seen in self.edges.values() if seen and not seen.drained]
        apps_ready = all(seen and seen.ready for seen in self.apps.values())
        return apps_ready and front.is_whole(serving)

    def describe_unwell(self) -> str:
        """The first host that is not healthy, as a sentence; empty when all are."""
        for edge, seen in self.edges.items():
            if seen is None:
                return f"{edge} did not answer"
            if not seen.nodes:
                return f"the balancer of {edge} did not answer"
            for node, status in seen.nodes.items():
                if not is_up(status):
                    return f"{edge} saw {node} {status}"
        for node, app in self.apps.items():
            if not (app and app.ready):
                return f"the app of {node} was not ready"
        return ""

    def has_noticed_since(self, before: Snapshot) -> bool:
        """Whether the edge that served `before` now sends its requests elsewhere, or another
        edge serves instead."""
        mine = before.serving_edge
        old, new = before.edges[mine], self.edges[mine]
        moved = bool(self._serving_edges() - before._serving_edges())
        if moved or new is None or old is None:
            return True
        return new.up != old.up or (old.serves and not new.serves)

    def _serving_edges(self) -> set[str]:
        return {name for name, seen in self.edges.items() if seen and seen.serves}

    @property
    def serving_edge(self) -> str:
        """The first edge that serves, else the first of all."""
        serving = self._serving_edges()
        return next((name for name in self.edges if name in serving), next(iter(self.edges)))


def is_up(status: str) -> bool:
    """Whether a balancer sends requests to a node of this status."""
    return status.startswith("UP")


class Observer:
    """Polls the hosts while the context lasts; `on_reply` is called from threads."""

    def __init__(self, settings: Settings, on_reply: OnReply) -> None:
        self.settings, self.on_reply = settings, on_reply
        self.edges, self.apps = settings.inventory.having("edge"), settings.inventory.having("app")
        self._fleet = open_fleet(settings, [*self.edges, *self.apps], readonly=True)
        self._last: dict[str, tuple[float, HostState | None]] = {}
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._watch_host, args=(node,), daemon=True)
            for node in self._fleet
        ]

    def __enter__(self) -> Observer:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._fleet.__exit__()

    def take_snapshot(self) -> Snapshot:
        """The latest state of every host."""
        return Snapshot(
            {
                node.name: seen
                if isinstance(seen := self._recent_state(node), EdgeSnapshot)
                else None
                for node in self.edges
            },
            {
                node.name: seen if isinstance(seen := self._recent_state(node), AppSeen) else None
                for node in self.apps
            },
        )

    def last_reply_time(self, host: str) -> float:
        """When (time.monotonic) a host replied last; 0 if never."""
        return self._last.get(host, (0.0, None))[0]

    def _recent_state(self, node: Node) -> HostState | None:
        when, seen = self._last.get(node.name, (0.0, None))
        return seen if time.monotonic() - when <= SILENT else None

    def _watch_host(self, node: Node) -> None:
        """Connect and read replies until the end; connect again after a failure."""
        edge = "edge" in node.roles
        script = _edge_script(self.settings) if edge else _app_script(self.settings)
        parse: Callable[[str], HostState] = parse_edge if edge else parse_app
        while not self._stop.is_set():
            try:
                for line in self._fleet.link(node).follow(script, silence=SILENT):
                    if self._stop.is_set():
                        return
                    now, seen = time.monotonic(), parse(line)
                    self._last[node.name] = (now, seen)
                    self.on_reply(now, node.name, seen)
            except RunbookError:
                self._fleet.link(node).close()
            self.on_reply(time.monotonic(), node.name, None)
            self._stop.wait(PAUSE)


def _loop_script(body: str) -> str:
    """Shell text that repeats `body`, and ends when its output is closed."""
    return f"while :; do\n{body} || exit 0\nsleep {PAUSE}\ndone\n"


def _edge_script(settings: Settings) -> str:
    front = find_front(settings)
    serving = f"{front.serving_probe()} && state=1; [ ! -e {EDGE_DRAINED} ] || state=drained"
    servers = (
        f"echo 'show stat health 4 -1' | socat -t1 stdio unix-connect:{haproxy_stats.SOCKET}"
        " 2>/dev/null"
    )
    pick = """awk -F, '$1 == "health" { gsub(" ", "_", $18); printf " %s=%s", $2, $18 }'"""
    return _loop_script(f'state=0; {serving}\necho "$state$({servers} | {pick})"')


def _app_script(settings: Settings) -> str:
    return _loop_script(f"echo $(systemctl show -p MainPID,SubState {q(app_unit(settings))})")


def parse_edge(line: str) -> EdgeSnapshot:
    """`1 node1=UP node2=DOWN`; `drained …` for an edge out of service."""
    state, *servers = line.split()
    nodes = dict(server.split("=", 1) for server in servers if "=" in server)
    return EdgeSnapshot(state == "1", nodes, drained=state == "drained")


def parse_app(line: str) -> AppSeen:
    """`MainPID=12 SubState=running`."""
    properties = dict(part.split("=", 1) for part in line.split() if "=" in part)
    return AppSeen(int(properties.get("MainPID", 0)), properties.get("SubState") == "running")
