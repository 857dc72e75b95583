"""Restarting the app's unit through systemd."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

from . import probe
from .config import Config

TERM_SECONDS = 2.0
"""Seconds the app has to exit after SIGTERM; then it gets SIGKILL."""

READY_SECONDS = 100.0
"""Seconds until systemd must report the unit ready. A start alone may take 60."""

POLL_SECONDS = 0.05


def restart_unit(config: Config, pid: int, keep_alive: Callable[[], None]) -> bool:
    """Restart the unit, unless somebody stopped it; return whether it came up.

    `pid` is the process to replace. `keep_alive` is called every POLL_SECONDS meanwhile.
    """
    began = time.monotonic()
    process_start = probe.read_process_start(pid)
    killed = False
    # try-restart, not restart: a unit that a person has stopped stays stopped.
    with subprocess.Popen(
        ["systemctl", "try-restart", config.unit], stderr=subprocess.DEVNULL
    ) as job:
        while job.poll() is None:
            keep_alive()
            spent = time.monotonic() - began
            if spent > READY_SECONDS:
                job.terminate()
                return False
            # The start time tells whether `pid` is still the same process.
            same_process = process_start and probe.read_process_start(pid) == process_start
            if spent > TERM_SECONDS and not killed and same_process:
                _kill_unit(config.unit)
                killed = True
            time.sleep(POLL_SECONDS)
    return job.returncode == 0


def _kill_unit(unit: str) -> None:
    kill = ["systemctl", "kill", "--kill-whom=main", "--signal=SIGKILL", unit]
    subprocess.run(kill, timeout=10, check=False)
