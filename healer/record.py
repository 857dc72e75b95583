"""What the healer leaves for people and for Prometheus: sentences in the journal, counters in a
text file."""

from __future__ import annotations

import os
import re
import socket


class Record:
    """Sentences and counters. Nothing here may keep the healer from healing: a full disk costs
    the figures only."""

    def __init__(self, folder: str) -> None:
        self.counters, self.busy = f"{folder}/healer.prom", f"{folder}/busy"
        self.restarts: dict[str, int] = {}
        self.recovery: dict[str, float] = {}
        self.last = 0.0
        self._said = ""
        self._read()

    def say(self, sentence: str) -> None:
        """Into the journal, and as the unit's status; not again while only its figures change."""
        essence = re.sub(r"[0-9.]+", "#", sentence)
        if essence != self._said:
            self._said = essence
            print(sentence, flush=True)
            notify(f"STATUS={sentence}")

    def restarted(self, cause: str) -> None:
        """Count a restart."""
        self.restarts[cause] = self.restarts.get(cause, 0) + 1

    def recovered(self, cause: str, seconds: float) -> None:
        """How long the app was not well (0 for a drained restart, which nobody noticed)."""
        self.recovery[cause] = self.recovery.get(cause, 0.0) + seconds
        self.last = seconds

    def write(self, rss: int, age: float) -> None:
        """The counters, in Prometheus' text format."""
        lines = ["# TYPE runbook_healer_restarts_total counter"]
        lines += [
            f'runbook_healer_restarts_total{{cause="{cause}"}} {n}'
            for cause, n in sorted(self.restarts.items())
        ]
        lines.append("# TYPE runbook_healer_recovery_seconds_total counter")
        lines += [
            f'runbook_healer_recovery_seconds_total{{cause="{cause}"}} {seconds:.3f}'
            for cause, seconds in sorted(self.recovery.items())
        ]
        gauges = {
            "healer_last_recovery_seconds": self.last,
            "app_resident_bytes": rss,
            "app_age_seconds": age,
        }
        for name, value in gauges.items():
            lines += [f"# TYPE runbook_{name} gauge", f"runbook_{name} {value:.3f}"]
        _write(self.counters, "\n".join(lines) + "\n")

    def begin(self, what: str) -> None:
        """Mark that the node is being worked on."""
        _write(self.busy, what + "\n")

    def end(self) -> None:
        """Take the mark away."""
        try:
            os.unlink(self.busy)
        except OSError:
            return  # there was none

    def _read(self) -> None:
        """Go on counting where an earlier life ended."""
        try:
            with open(self.counters, encoding="utf-8") as file:
                lines = file.read().splitlines()
        except OSError:
            return
        for line in lines:
            name, _, rest = line.partition('{cause="')
            cause, _, value = rest.partition('"} ')
            if name == "runbook_healer_restarts_total":
                self.restarts[cause] = int(value)
            elif name == "runbook_healer_recovery_seconds_total":
                self.recovery[cause] = float(value)


def _write(path: str, text: str) -> None:
    try:
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(f"{path}.new", path)
    except OSError as error:
        print(f"{path} cannot be written: {error.strerror}", flush=True)


def notify(text: str) -> None:
    """Tell systemd; nothing happens outside of it."""
    if path := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.sendto(text.encode(), path.replace("@", "\0", 1) if path[0] == "@" else path)
