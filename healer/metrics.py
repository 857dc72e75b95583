"""The healer's output: sentences in the journal, and metrics for Prometheus in a text file."""

from __future__ import annotations

import os
import re
import socket

RESTARTS = "runbook_healer_restarts_total"
RECOVERY = "runbook_healer_recovery_seconds_total"


class Metrics:
    """Sentences and metrics. No error here stops the healer: a full disk costs only the metrics."""

    def __init__(self, folder: str) -> None:
        self.metrics_file = f"{folder}/healer.prom"
        self.busy_file = f"{folder}/busy"
        self.restarts: dict[str, int] = {}
        """Restarts by cause."""
        self.recovery: dict[str, float] = {}
        """Seconds the app was not well, by cause."""
        self.last_recovery = 0.0
        self._last_pattern = ""
        self._load_counters()

    def report(self, sentence: str) -> None:
        """Write `sentence` to the journal and to the unit's status.

        A sentence that differs from the last one only in its figures is not repeated.
        """
        pattern = re.sub(r"[0-9.]+", "#", sentence)
        if pattern != self._last_pattern:
            self._last_pattern = pattern
            print(sentence, flush=True)
            notify_systemd(f"STATUS={sentence}")

    def count_restart(self, cause: str) -> None:
        """Count a restart."""
        self.restarts[cause] = self.restarts.get(cause, 0) + 1

    def add_recovery(self, cause: str, seconds: float) -> None:
        """Add the seconds the app was not well: 0 for a drained restart, which nobody noticed."""
        self.recovery[cause] = self.recovery.get(cause, 0.0) + seconds
        self.last_recovery = seconds

    def write_metrics(self, rss: int, age: float) -> None:
        """Write the metrics in Prometheus' text format. `rss` is in bytes, `age` in seconds."""
        lines = [f"# TYPE {RESTARTS} counter"]
        for cause, count in sorted(self.restarts.items()):
            lines.append(f'{RESTARTS}{{cause="{cause}"}} {count}')
        lines.append(f"# TYPE {RECOVERY} counter")
        for cause, seconds in sorted(self.recovery.items()):
            lines.append(f'{RECOVERY}{{cause="{cause}"}} {seconds:.3f}')
        gauges = {
            "runbook_healer_last_recovery_seconds": self.last_recovery,
            "runbook_app_resident_bytes": rss,
            "runbook_app_age_seconds": age,
        }
        for name, value in gauges.items():
            lines += [f"# TYPE {name} gauge", f"{name} {value:.3f}"]
        _replace_file(self.metrics_file, "\n".join(lines) + "\n")

    def mark_busy(self, reason: str) -> None:
        """Mark that the healer is restarting the app."""
        _replace_file(self.busy_file, reason + "\n")

    def clear_busy(self) -> None:
        """Remove the mark, if there is one."""
        try:
            os.unlink(self.busy_file)
        except OSError:
            return

    def _load_counters(self) -> None:
        """Continue the counters of the previous instance: a counter must not start at 0 again."""
        try:
            with open(self.metrics_file, encoding="utf-8") as file:
                lines = file.read().splitlines()
        except OSError:
            return
        for line in lines:
            name, _, rest = line.partition('{cause="')
            cause, _, value = rest.partition('"} ')
            if name == RESTARTS:
                self.restarts[cause] = int(value)
            elif name == RECOVERY:
                self.recovery[cause] = float(value)


def _replace_file(path: str, text: str) -> None:
    try:
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(f"{path}.new", path)
    except OSError as error:
        print(f"{path} cannot be written: {error.strerror}", flush=True)


def notify_systemd(message: str) -> None:
    """Send `message` to systemd (sd_notify). Without systemd nothing happens."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    if path.startswith("@"):  # "@" stands for the zero byte of an abstract socket
        path = path.replace("@", "\0", 1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.sendto(message.encode(), path)
