"""Half an hour of users while both nodes die once a minute: how many requests fail, and are both
ever away at once?

The lab's stand-in must crash now and then: `inv lab.up --deaths 60` (a mean of 60 s on each node).
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console

from fabfile.drills.observer import AppSeen, EdgeSnapshot, HostState, Observer
from fabfile.settings.program_texts import ProgramTexts
from fabfile.settings.settings import Settings
from fabfile.traffic.sample import Sample
from fabfile.traffic.stats import upper_bound
from fabfile.traffic.users import UserLoad
from fabfile.traffic.values import Range

RESULT = Path(__file__).with_name("result-soak.json")
RATE = 60.0
PIECE = 300.0
"""Seconds of one load; the next begins at once."""


class Outages:
    """Counts deaths of each node's app, and the times when no app was ready or the serving edge saw
    no node up."""

    def __init__(self) -> None:
        self.deaths: Counter[str] = Counter()
        self.doubles, self.double_s = 0, 0.0
        self.none_ready = 0
        self._ready: dict[str, bool] = {}
        self._pids: dict[str, int] = {}
        self._none_since: float | None = None
        self._lock = threading.Lock()

    def add_reply(self, when: float, host: str, seen: HostState | None) -> None:
        """Record one reply of one host."""
        with self._lock:
            if isinstance(seen, AppSeen) and seen.pid:
                self.deaths[host] += self._pids.get(host, seen.pid) != seen.pid
                self._pids[host] = seen.pid
            if isinstance(seen, AppSeen):
                before, self._ready[host] = any(self._ready.values()), seen.ready
                self.none_ready += before and not any(self._ready.values())
            if isinstance(seen, EdgeSnapshot) and seen.serves and seen.nodes:
                if seen.up:
                    self.double_s += when - self._none_since if self._none_since else 0.0
                    self._none_since = None
                elif self._none_since is None:
                    self._none_since, self.doubles = when, self.doubles + 1


def measure_soak(settings: Settings, minutes: float) -> None:
    """Measure, print a table, and write the result as JSON."""
    out, outages, samples = Console(), Outages(), list[Sample]()
    ranges: dict[str, Range] = {}
    program = settings.program
    headers = ProgramTexts(settings).fill_headers()
    end = time.monotonic() + minutes * 60
    with Observer(settings, outages.add_reply), out.status("") as status:
        while (left := end - time.monotonic()) > 0:
            with UserLoad(settings.service, program, RATE, ranges, headers) as traffic:
                until = time.monotonic() + min(left, PIECE)
                while time.monotonic() < until and traffic.error is None:
                    time.sleep(1)
                    died = sum(outages.deaths.values())
                    status.update(
                        f"{(end - time.monotonic()) / 60:.1f} min left · {died} deaths ·"
                        f" {traffic.failed} failed"
                    )
            samples += traffic.samples
            if traffic.error:
                out.print(f"[bold red]the load failed: {traffic.error!r}[/]")
                break
    if not outages.deaths:
        raise SystemExit(
            "no app died, so the run proves nothing: inv lab.down;"
            " inv lab.up --deaths 60 --scale 0.1; fab deploy"
        )
    found = make_figures(samples, outages, minutes)
    RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    out.print_json(data=found)


def make_figures(samples: list[Sample], outages: Outages, minutes: float) -> dict[str, Any]:
    """The figures of the run; shares in percent, times in seconds."""
    failed = [sample for sample in samples if not sample.ok]
    n = len(samples)
    return {
        "minutes": minutes,
        "rate": RATE,
        "requests": n,
        "failed": len(failed),
        "failed_percent": round(100 * len(failed) / n, 4),
        "failed_percent_95": round(100 * upper_bound(len(failed), n), 4),
        "by": dict(Counter(f"{sample.endpoint} {sample.error}" for sample in failed).most_common()),
        "deaths": dict(outages.deaths),
        "no_app_ready": outages.none_ready,
        "no_node_up": outages.doubles,
        "no_node_up_s": round(outages.double_s, 1),
    }
