"""A deliberate restart, stage by stage, so that the users do not notice and the peer does not do
the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from . import guard, hands, judge, senses
from .config import Config
from .edges import Edges
from .model import Act, Decision, Observation, View

IDLE = 35.0
"""Seconds for what is in flight at a drained node to end; the longest answer may take 30."""

BACK = 15.0
"""Seconds for the balancers to see the node up again."""

RENEW = 5.0
LOOK = 0.25


class Failed(Exception):
    """It was begun and given up; the text says why."""


class Absence:
    """The time a node is away on purpose: it holds the lease, and whatever happens, puts itself
    back in the end."""

    def __init__(
        self, config: Config, edges: Edges, beat: Callable[[], None], *, guarded: bool
    ) -> None:
        self.config = config
        self.edges = edges
        self._beat = beat
        self._guarded = guarded
        self._renewed = 0.0

    def perform(self, decision: Decision, seen: Observation) -> None:
        """Restart the app, drained first if `decision` leaves the time.

        Raises:
            Failed: it does not get idle, the peer went away, or the app does not come up.
        """
        self._renewed = time.monotonic()
        try:
            if decision.act is Act.RECYCLE:
                self._drain(decision, seen)
            if not hands.restart(self.config, seen.pid, self.tick):
                raise Failed(f"{self.config.unit} did not come up")
            self.edges.ready()
            self._until(self._serving, BACK)
        finally:
            self.edges.ready()
            self.edges.release()

    def tick(self) -> None:
        """Keep systemd's watchdog and the lease."""
        self._beat()
        if self._guarded and time.monotonic() - self._renewed > RENEW:
            self._renewed = time.monotonic()
            self.edges.renew()

    def _drain(self, decision: Decision, seen: Observation) -> None:
        self.edges.drain()

        def done() -> bool:
            views = self.edges.views()
            verdict = guard.may(self.config, decision, views, ill_for=0, locked="", held=False)
            if self._guarded and not verdict.go:
                raise Failed(f"given up while draining: {verdict.why}")
            if senses.rss(seen.pid) >= judge.TOO_LATE * self.config.memory_max:
                return True
            return self._idle(views)

        if not self._until(done, IDLE):
            raise Failed(f"requests are still in flight {IDLE:.0f} s after it was drained")

    def _idle(self, views: Sequence[View]) -> bool:
        """Drained and without a request in flight, everywhere; an edge that was reloaded
        meanwhile is told again."""
        own = [
            (view.edge, view.nodes[self.config.node])
            for view in views
            if self.config.node in view.nodes
        ]
        for edge, node in own:
            if not node.drained:
                self.edges.drain(edge)
        return all(node.drained and not node.in_flight for _, node in own)

    def _serving(self) -> bool:
        views = self.edges.views()
        return all(
            view.nodes[self.config.node].up for view in views if self.config.node in view.nodes
        )

    def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                return False
            self.tick()
            time.sleep(LOOK)
        return True
