"""Records host states and events during a drill, and makes the observation that is judged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from ..settings.service import Service
from ..traffic.sample import Sample
from .model import Observation, ProcessSample
from .observer import AppSeen, EdgeSnapshot, HostState, Snapshot, is_up
from .result import Mark

HostReply = tuple[float, str, HostState | None]
"""When (time.monotonic), which host, its state."""


class Recording:
    """Written by several threads (appending is all they do), read when the drill is over. Times
    are of time.monotonic."""

    def __init__(self) -> None:
        self.replies: list[HostReply] = []
        self.fault: float | None = None
        self.detected: float | None = None
        self.undone: float | None = None
        self.recovered: float | None = None
        self.repaired: float | None = None
        self.without_help = True
        self.before = Snapshot({}, {})

    @property
    def undo_began(self) -> bool:
        """Whether the drill has begun to undo the fault."""
        return self.undone is not None or self.repaired is not None

    def add_reply(self, when: float, host: str, seen: HostState | None) -> None:
        """Record one reply of one host."""
        self.replies.append((when, host, seen))

    def pid(self, snapshot: Snapshot, node: str) -> int:
        """The app's process on a node; 0 for none or unknown."""
        seen = snapshot.apps.get(node)
        return seen.pid if seen else 0

    def marks(self, begin: float) -> tuple[Mark, ...]:
        """Events in order of time, in seconds since `begin`."""
        repaired = self.undone if self.undone is not None or self.without_help else self.repaired
        times = {
            "fault": self.fault,
            "detected": self.detected,
            "repaired": repaired,
            "recovered": self.recovered,
        }
        known = sorted((when, what) for what, when in times.items() if when is not None)
        return tuple(Mark(round(when - begin, 2), what) for when, what in known)

    def observation(
        self,
        program: Service,
        begin: float,
        samples: Iterable[Sample],
        oldest: float | None,
        exits: Sequence[int],
    ) -> Observation:
        """Make the observation; its times are seconds since the load's `begin`."""

        def t(when: float | None) -> float | None:
            return None if when is None else when - begin

        since = begin if self.fault is None else self.fault
        return Observation(
            program=program,
            samples=sorted(samples, key=lambda sample: sample.intended),
            fault=since - begin,
            undone=t(self.undone),
            detected=t(self.detected),
            recovered=t(self.recovered),
            without_help=self.without_help,
            process_samples=collect_process_samples(self.replies, list(self.before.apps), begin),
            pids_before={node: self.pid(self.before, node) for node in self.before.apps},
            times_out_of_service=count_out_of_service(self.replies, since),
            drained=find_drained_nodes(self.replies, since),
            oldest=oldest,
            exit=exits[0] if exits else None,
        )


def collect_process_samples(
    replies: Iterable[HostReply], nodes: Sequence[str], begin: float
) -> dict[str, list[ProcessSample]]:
    """The app of each node since `begin`. A node without a reply is not ready."""
    by_node: dict[str, list[ProcessSample]] = {node: [] for node in nodes}
    for when, host, seen in replies:
        if host in by_node and when >= begin:
            app = seen if isinstance(seen, AppSeen) else AppSeen(0, False)
            by_node[host].append(ProcessSample(when - begin, app.pid, app.ready))
    return by_node


def count_out_of_service(replies: Iterable[HostReply], since: float) -> dict[str, int]:
    """How often each node went out of service after `since`, by the edge that saw it most
    often."""
    counts: defaultdict[tuple[str, str], int] = defaultdict(int)
    last: dict[tuple[str, str], bool] = {}
    for when, edge, seen in replies:
        for node, status in seen.nodes.items() if isinstance(seen, EdgeSnapshot) else ():
            up = is_up(status)
            counts[edge, node] += int(when >= since and not up and last.get((edge, node), True))
            last[edge, node] = up
    most: dict[str, int] = {}
    for (_, node), count in counts.items():
        most[node] = max(count, most.get(node, 0))
    return {node: count for node, count in most.items() if count}


def find_drained_nodes(replies: Iterable[HostReply], since: float) -> frozenset[str]:
    """The nodes that any edge saw drained after `since`."""
    seen = (
        edge.nodes.items()
        for when, _, edge in replies
        if when >= since and isinstance(edge, EdgeSnapshot)
    )
    return frozenset(node for nodes in seen for node, status in nodes if status.startswith("DRAIN"))
