"""One look at the app: its unit, its process, its health page, and when that is bad, the
database."""

from __future__ import annotations

import os
import subprocess
import time

from . import wire
from .config import Config
from .model import ILL, Observation, Ping

PING = 1.4
"""Seconds for a ping's answer. The app lets a request wait for up to a second at its limit, and
then declines: no hang."""

BUSY = (429, 503)
"""How it declines."""

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Senses:
    """Remembers the unit's process, so that systemd is asked only when something is amiss."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._pid, self._born, self._restarts = 0, 0.0, 0

    def look(self) -> Observation:
        """What there is to see now; takes a few milliseconds when all is well, up to 3 s when
        nothing answers."""
        ping, said = ping_of(self.config)
        same = ping is Ping.OK and self._pid and born(self._pid) == self._born
        active = True if same else self._ask_systemd()
        database = self._database() if active and ping in ILL else None
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - self._born if self._pid else 0.0
        now = time.monotonic()
        return Observation(
            at=now,
            active=active,
            pid=self._pid,
            age=age,
            rss=rss(self._pid),
            ping=ping,
            said=said,
            restarts=self._restarts,
            database=database,
        )

    def _ask_systemd(self) -> bool:
        unit = unit_state(self.config.unit)
        self._pid = int(unit.get("MainPID") or 0)
        self._born = born(self._pid)
        self._restarts = int(unit.get("NRestarts") or 0)
        return unit.get("ActiveState") == "active"

    def _database(self) -> bool:
        user, name = self.config.database_user, self.config.database_name
        return any(
            wire.database_accepts(host, port, user, name) for host, port in self.config.databases
        )


def ping_of(config: Config) -> tuple[Ping, str]:
    """The health page's answer, and its status or the reason why there is none."""
    try:
        status = wire.ask("127.0.0.1", config.port, config.health, timeout=PING).status
    except TimeoutError:
        return Ping.HUNG, f"within {PING} s"
    except ConnectionRefusedError:
        return Ping.REFUSED, ""
    except OSError as error:
        return Ping.WRONG, str(error.strerror or error)
    if status == 200:
        return Ping.OK, "200"
    return (Ping.BUSY if status in BUSY else Ping.WRONG), str(status)


def unit_state(unit: str) -> dict[str, str]:
    """What systemd says of `unit`; empty when it does not answer in time."""
    try:
        done = subprocess.run(
            ["systemctl", "show", "-p", "ActiveState,MainPID,NRestarts", unit],
            capture_output=True,
            text=True,
            timeout=5,
            encoding="utf-8",
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        return {}
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def born(pid: int) -> float:
    """When the process began, in seconds since the machine's start; 0 when there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return int(file.read().rpartition(")")[2].split()[19]) / _TICKS
    except (OSError, IndexError):
        return 0.0


def rss(pid: int) -> int:
    """Its resident memory in bytes; 0 when there is no such process."""
    try:
        with open(f"/proc/{pid}/statm", encoding="utf-8") as file:
            return int(file.read().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0
