"""A deliberate restart step by step: drain, restart, put back. Users do not notice a recycle."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from . import diagnosis, guard, probe
from .config import Config
from .edges import EdgeClient
from .model import Act, AppObservation, Decision, EdgeReport
from .restart import restart_unit

UP_SECONDS = 15.0
"""Seconds in which the balancers should see the node up again."""

RENEW_SECONDS = 5.0
"""Seconds between two renewals of the lease."""

POLL_SECONDS = 0.25


class MaintenanceFailed(Exception):
    """A restart that began and was given up; the text holds the reason."""


class Maintenance:
    """One deliberate restart of the app, for which this node holds the lease.

    Whatever happens, it ends with the node undrained and the lease released.
    """

    def __init__(
        self,
        config: Config,
        edges: EdgeClient,
        notify_watchdog: Callable[[], None],
        *,
        guarded: bool,
    ) -> None:
        self.config = config
        self.edges = edges
        self._notify_watchdog = notify_watchdog
        self._guarded = guarded
        self._renewed_at = 0.0

    def perform(self, decision: Decision, observation: AppObservation) -> None:
        """Restart the app; drain it first if `decision` is a recycle.

        Raises:
            MaintenanceFailed: requests do not end, the peer went down, or the app does not come
            up.
        """
        self._renewed_at = time.monotonic()
        try:
            if decision.act is Act.RECYCLE:
                self._drain_node(decision, observation)
            if not restart_unit(self.config, observation.pid, self.keep_alive):
                raise MaintenanceFailed(f"{self.config.unit} did not come up")
            self.edges.undrain_node()
            # Keep the lease until the balancers see the node up: only then may the peer restart.
            self._wait_until(self._is_up, UP_SECONDS)
        finally:
            self.edges.undrain_node()
            self.edges.release_lease()

    def keep_alive(self) -> None:
        """Reset systemd's watchdog, and renew the lease when it is due."""
        self._notify_watchdog()
        if self._guarded and time.monotonic() - self._renewed_at > RENEW_SECONDS:
            self._renewed_at = time.monotonic()
            self.edges.renew_lease()

    def _drain_node(self, decision: Decision, observation: AppObservation) -> None:
        self.edges.drain_node()

        def may_restart() -> bool:
            views = self.edges.read_views()
            permission = guard.check_permission(
                self.config, decision, views, ill_for=0, deploy="", drained_by_another=False
            )
            if self._guarded and not permission.granted:
                raise MaintenanceFailed(f"given up while draining: {permission.reason}")
            # An app about to hit its memory cap is restarted with requests still in flight.
            cap = diagnosis.NO_TIME_SHARE * self.config.memory_max
            return probe.read_rss(observation.pid) >= cap or self._is_idle(views)

        if not self._wait_until(may_restart, self.config.idle_seconds):
            raise MaintenanceFailed(
                f"requests are still in flight {self.config.idle_seconds:.0f} s after it was"
                " drained"
            )

    def _is_idle(self, views: Sequence[EdgeReport]) -> bool:
        """Whether this node is drained and has no request in flight at any edge."""
        own = {
            view.edge: view.nodes[self.config.node]
            for view in views
            if self.config.node in view.nodes
        }
        for edge, state in own.items():
            if not state.drained:  # a reload of HAProxy forgets the drain
                self.edges.drain_node(edge)
        return all(state.drained and not state.in_flight for state in own.values())

    def _is_up(self) -> bool:
        views = self.edges.read_views()
        return all(
            view.nodes[self.config.node].up for view in views if self.config.node in view.nodes
        )

    def _wait_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            self.keep_alive()
            time.sleep(POLL_SECONDS)
        return True
