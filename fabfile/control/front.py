"""The front: how users reach the edges, and so which edges serve them.

There are three kinds. Each edge has its own address (`OwnAddresses`); a floating address moves
between the edges (`FloatingAddress`); a balancer of the provider sends users to every edge that is
well (`ExternalBalancer`). `site_front.find_front` chooses by the site file. Everything that asks
"which edges serve?" or takes an edge out of service asks the front.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from ..engine.errors import RunbookError
from ..engine.fleet import Fleet

Progress = Callable[[str], None]


@dataclass(frozen=True)
class EdgeState:
    """The state of an edge.

    Attributes:
        serves: whether users reach this edge now.
        running: whether the front's own daemon runs; true if it needs none.
        healthy: whether a request passes nginx and HAProxy.
        drained: who drained the edge and why; empty when it is not drained.
        one_serves: whether only one edge serves at a time.
    """

    name: str
    reachable: bool = True
    serves: bool = False
    running: bool = False
    healthy: bool = False
    drained: str = ""
    one_serves: bool = True

    @property
    def can_serve(self) -> bool:
        """Whether the edge can take users."""
        if not self.one_serves:
            return self.serves  # whatever can serve does
        return self.running and self.healthy and not self.drained

    def describe(self) -> str:
        """What the edge does, in two or three words."""
        if self.serves:
            return "holds the address" if self.one_serves else "serves"
        if self.drained:
            return "drained"
        if self.one_serves:
            return "stands by" if self.can_serve else "cannot take over"
        return "does not serve"


@dataclass(frozen=True)
class Departure:
    """An edge that leaves service.

    Attributes:
        fleet: the connections to all edges.
        giver: the name of the edge that leaves.
        takers: the names of the edges that serve meanwhile.
        why: who drains the edge, and why.
        progress: gets sentences about what happens.
    """

    fleet: Fleet
    giver: str
    takers: Sequence[str]
    why: str
    progress: Progress

    def run_clean_up(self, names: Sequence[str], script: str) -> None:
        """Run `script` on the edges `names`, and ignore errors: what it removes expires, or the
        next deploy removes it."""
        for name in names:
            with suppress(RunbookError):
                self.fleet.links[name].run(script, check=False)


class Front:
    """How users reach the edges, and which edges serve them. What is here holds where each edge has
    its own address; the other kinds replace it.

    Attributes:
        name: what users call, in words.
        address: the address that the edges share; empty if each has its own.
        moving_address: the same, if it moves between the edges.
        unit: the daemon that the front needs on every edge; empty: none.
        one_serves: whether exactly one edge serves; else every edge that can.
        duty: what an edge in service does, as a verb.
        words: what an edge that serves does, and one that does not.
        notice_seconds: how long it may take until users reach an edge that can serve again.
    """

    name = ""
    address = ""
    moving_address = ""
    unit = ""
    one_serves = False
    duty = "serve"
    words = ("", "")
    notice_seconds = 0.0

    def serving_probe(self) -> str:
        """Read-only shell text that succeeds when users reach this edge now. False where nobody can
        know: then no edge can leave service either."""
        return "false"

    def running_probe(self) -> str:
        """Read-only shell text that succeeds when the front's own daemon runs on this edge."""
        return f"systemctl is-active -q {self.unit}" if self.unit else "true"

    def unseen_probe(self, edge_address: str) -> str:
        """Read-only shell text, for an edge that serves: it succeeds if it is certain that users do
        not reach another edge, which does not answer ssh."""
        return "false"

    def is_served(self, serving: int) -> bool:
        """Whether users are served as they should be when `serving` edges serve."""
        return True

    def is_whole(self, serving: Sequence[bool]) -> bool:
        """Whether all edges that should serve do; `serving`: each edge that is not drained."""
        return self.is_served(sum(serving))

    def leave(self, departure: Departure) -> None:
        """Drain an edge that serves, and wait until its users have left it.

        Raises:
            RunbookError: its users did not leave. The attempt is undone.
        """
        raise RunbookError(
            "this site has no floating address",
            "users connect to each edge directly, so an edge cannot be drained",
            "set address under [edge] in the site file, then: fab deploy",
        )


class OwnAddresses(Front):
    """Each edge is called by its own address."""
