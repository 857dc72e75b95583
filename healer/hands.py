"""Starting the app anew, through systemd."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

from . import senses
from .config import Config

GRACE = 2.0
"""Seconds to end by itself after SIGTERM; SIGKILL then."""

READY = 100.0
"""Seconds until systemd must call it ready (a start may take 60)."""

PAUSE = 0.05


def restart(config: Config, pid: int, tick: Callable[[], None]) -> bool:
    """Restart the unit, unless somebody stopped it; whether it came up. `tick` is called again
    and again meanwhile."""
    began = time.monotonic()
    born, killed = senses.born(pid), False
    with subprocess.Popen(
        ["systemctl", "try-restart", config.unit], stderr=subprocess.DEVNULL
    ) as job:
        while job.poll() is None:
            tick()
            spent = time.monotonic() - began
            if spent > READY:
                job.terminate()
                return False
            if spent > GRACE and not killed and born and senses.born(pid) == born:
                kill = ["systemctl", "kill", "--kill-whom=main", "--signal=SIGKILL", config.unit]
                subprocess.run(kill, timeout=10, check=False)
                killed = True
            time.sleep(PAUSE)
    return job.returncode == 0
