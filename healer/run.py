"""The healer's loop, about once a second: observe, diagnose, ask the guard, act."""

from __future__ import annotations

import io
import os
import random
import signal
import sys
import time
from collections import deque
from collections.abc import Sequence
from functools import partial

from . import guard
from .config import Config, parse_config
from .diagnosis import diagnose
from .edges import EdgeClient
from .maintenance import Maintenance, MaintenanceFailed
from .metrics import Metrics, notify_systemd
from .model import Act, AppObservation, Decision, EdgeReport, Permission, Ping
from .probe import AppProbe

LOOP_SECONDS = 1.0
"""Seconds between two observations."""

VIEWS_SECONDS = 3.0
"""Seconds between two readings of the edges while there is nothing to do."""

METRICS_SECONDS = 15.0
"""Seconds between two writings of the metrics."""

WELL_SECONDS = 8.0
"""Seconds of good answers after which a restart counts as successful."""

RETRY_SECONDS = 60.0
"""Seconds after a recycle that was given up before it is tried again."""

WELL = (Ping.OK, Ping.BUSY)


class Healer:
    """One node's healer."""

    def __init__(self, config: Config, *, guarded: bool) -> None:
        self.config = config
        self.guarded = guarded
        self.edges = EdgeClient(config)
        self.probe = AppProbe(config)
        self.metrics = Metrics(config.runtime_folder)
        self.observations: deque[AppObservation] = deque(maxlen=120)
        self.views: list[EdgeReport] = []
        self.drained_by_another = False
        self.failed_restarts = 0
        """Restarts since the app was last well for WELL_SECONDS."""
        self._systemd_restarts = -1
        """systemd's count when the app was last well; -1: not read yet."""
        self._views_read_at = float("-inf")
        self._metrics_written_at = float("-inf")
        self._retry_at = 0.0
        self._well_since = time.monotonic()
        self._last_well = self._well_since

    def run(self) -> None:
        """Run for ever."""
        if edges := self.edges.clean_up():
            self.metrics.report(
                f"put back at {' and '.join(edges)}: a previous instance of this healer had drained"
                " this node"
            )
        self.metrics.clear_busy()
        notify_systemd("READY=1")
        while True:
            began = time.monotonic()
            self.run_once()
            notify_systemd("WATCHDOG=1")
            # A random share keeps this healer out of step with the peer's.
            pause = LOOP_SECONDS * random.uniform(0.9, 1.0) - (time.monotonic() - began)
            time.sleep(max(0.05, pause))

    def run_once(self) -> None:
        """Observe the app once, and act if needed."""
        latest = self.probe.observe()
        self._update_health(latest)
        self.observations.append(latest)
        if latest.at - self._views_read_at > VIEWS_SECONDS:
            self.read_edges()
        peer_age = guard.find_peer_age(self.config, self.views)
        decision = diagnose(self.config, self.observations, self.failed_restarts, peer_age)
        if decision.act is Act.NOTHING:
            note = "; somebody has drained this node" if self.drained_by_another else ""
            self.metrics.report(decision.sentence + note)
        elif latest.at >= self._retry_at or decision.act is Act.RESTART:
            self._try_to_act(decision, latest)
        if latest.at - self._metrics_written_at > METRICS_SECONDS:
            self._metrics_written_at = latest.at
            self.metrics.write_metrics(latest.rss, latest.age)

    def read_edges(self) -> None:
        """Read the edges' views, and undrain this node where a healer's drain was left."""
        self.views = self.edges.read_views()
        self._views_read_at = time.monotonic()
        if edges := self.edges.undrain_node(self.views):
            self.metrics.report(
                f"put back at {' and '.join(edges)}: a drain of this healer's was left there"
            )
        self.drained_by_another = guard.is_drained_by_another(self.config, self.views)

    def _update_health(self, latest: AppObservation) -> None:
        """Track how long the app is not well, and count crashes that systemd recovered from."""
        if not latest.active or latest.ping not in WELL:
            self._well_since = latest.at
            return
        if latest.restarts > self._systemd_restarts >= 0:
            down_for = latest.at - self._last_well
            self.metrics.count_restart("crash")
            self.metrics.add_recovery("crash", down_for)
            self.metrics.report(
                f"the app exited; systemd restarted it, serving again after {down_for:.1f} s"
            )
            self._metrics_written_at = float("-inf")
        # Lower after a restart by hand, which sets systemd's count back to 0.
        self._systemd_restarts = latest.restarts
        self._last_well = latest.at
        if latest.at - self._well_since > WELL_SECONDS:
            self.failed_restarts = 0

    def _try_to_act(self, decision: Decision, latest: AppObservation) -> None:
        if self.guarded:
            permission = self._ask_guard(decision, latest)
            if not permission.granted:
                self.metrics.report(
                    f"{decision.act.value} put off: {decision.sentence}; {permission.reason}"
                )
                return
        self._act(decision, latest)

    def _ask_guard(self, decision: Decision, latest: AppObservation) -> Permission:
        self.read_edges()
        permission = guard.check_permission(
            self.config,
            decision,
            self.views,
            ill_for=latest.at - self._last_well,
            deploy=find_deploy(self.config.lock_file),
            drained_by_another=self.drained_by_another,
        )
        # The lease comes last: it keeps the peer waiting.
        if permission.granted and not self.edges.take_lease():
            return Permission(False, "the other node restarts its app just now and has the lease")
        return permission

    def _act(self, decision: Decision, latest: AppObservation) -> None:
        self.metrics.report(f"{decision.act.value}: {decision.sentence}")
        self.metrics.mark_busy(decision.sentence)
        notify_watchdog = partial(notify_systemd, "WATCHDOG=1")
        maintenance = Maintenance(self.config, self.edges, notify_watchdog, guarded=self.guarded)
        try:
            maintenance.perform(decision, latest)
        except MaintenanceFailed as failure:
            self._retry_at = time.monotonic() + RETRY_SECONDS
            if decision.act is Act.RESTART:
                self.failed_restarts += 1
            self.metrics.report(f"{decision.act.value} failed: {failure}")
            return
        finally:
            self.metrics.clear_busy()
            self._views_read_at = float("-inf")
        self._record_restart(decision, latest)

    def _record_restart(self, decision: Decision, before: AppObservation) -> None:
        """Count the restart, and report whether the app works again."""
        after = self.probe.observe()
        done = f"{decision.act.value} done ({decision.cause})"
        self.metrics.count_restart(decision.cause)
        self._metrics_written_at = float("-inf")
        self.observations.clear()
        self.observations.append(after)
        recycled = decision.act is Act.RECYCLE
        if not recycled:
            self.failed_restarts += 1
        if after.ping not in WELL:
            self.metrics.report(f"{done}, and still {self.config.health_path} {after.ping.value}")
            return
        # A recycled app was drained, so nobody missed it; an ill app served nobody since it was
        # last well.
        seconds = after.at - (before.at if recycled else self._last_well)
        self.metrics.add_recovery(decision.cause, 0.0 if recycled else seconds)
        self.metrics.report(f"{done}: serving again after {seconds:.1f} s")
        self._last_well = after.at


def find_deploy(lock_file: str) -> str:
    """Return who deploys to this node, such as `ann@desk's deploy`; empty when nobody does.

    An expired lock does not count. Nor does a drill's: a drill wants to see the healer at work.
    """
    try:
        with open(lock_file, encoding="utf-8", errors="replace") as file:
            lock = dict(line.split("=", 1) for line in file.read().splitlines() if "=" in line)
    except OSError:
        return ""
    expires = lock.get("expires", "")
    task = lock.get("task", "deploy")
    if not expires.isdigit() or int(expires) <= time.time() or task.startswith("drill"):
        return ""
    return f"{lock.get('who', 'somebody')}'s {task}"


def main(arguments: Sequence[str]) -> None:
    """Run `run CONFIG` or `lift CONFIG`."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # The journal is UTF-8, whatever LANG the host gives to its units.
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    task, path = arguments
    with open(path, encoding="utf-8") as file:
        config = parse_config(file.read())
    # A drill sets HEALER_LIFETIME and HEALER_GUARD for as long as it lasts.
    if "HEALER_LIFETIME" in os.environ:
        config = config._replace(lifetime=float(os.environ["HEALER_LIFETIME"]))
    if task == "lift":
        EdgeClient(config).clean_up()
        Metrics(config.runtime_folder).clear_busy()
        return
    # An exit, unlike the default action, runs every `finally`: no drain stays behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    Healer(config, guarded=os.environ.get("HEALER_GUARD") != "off").run()
