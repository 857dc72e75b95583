"""Observing the app: its unit, its process, its health page, and if that is bad, the database."""

from __future__ import annotations

import os
import subprocess
import time

from . import protocol
from .config import Config
from .model import ILL, AppObservation, Ping

PING_TIMEOUT = 1.4
"""Seconds a ping has to be answered. At its limit the app lets a request wait for up to a second
and then declines; that is no hang."""

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class AppProbe:
    """Observes the app. Remembers its process, so that systemd is asked only when needed."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._pid = 0
        self._process_start = 0.0
        self._restarts = 0

    def observe(self) -> AppObservation:
        """Observe the app. Takes a few milliseconds when all is well, up to 3 s when nothing
        answers."""
        ping, detail = ping_app(self.config)
        active = self._runs_as_before(ping) or self._read_unit()
        needs_database = active and ping in ILL and self.config.databases
        database = self._is_database_ready() if needs_database else None
        boot_clock = time.clock_gettime(time.CLOCK_BOOTTIME)
        return AppObservation(
            at=time.monotonic(),
            active=active,
            pid=self._pid,
            age=boot_clock - self._process_start if self._pid else 0.0,
            rss=read_rss(self._pid),
            ping=ping,
            detail=detail,
            restarts=self._restarts,
            database=database,
        )

    def _runs_as_before(self, ping: Ping) -> bool:
        """Whether the known process answers well: then systemd need not be asked."""
        return (
            ping is Ping.OK
            and self._pid != 0
            and read_process_start(self._pid) == self._process_start
        )

    def _read_unit(self) -> bool:
        """Read pid and restarts from systemd; return whether the unit is active."""
        unit = read_unit_state(self.config.unit)
        self._pid = int(unit.get("MainPID") or 0)
        self._process_start = read_process_start(self._pid)
        self._restarts = int(unit.get("NRestarts") or 0)
        return unit.get("ActiveState") == "active"

    def _is_database_ready(self) -> bool:
        user = self.config.database_user
        name = self.config.database_name
        return any(
            protocol.is_database_ready(address, port, user, name)
            for address, port in self.config.databases
        )


def ping_app(config: Config) -> tuple[Ping, str]:
    """Ask the health page; return the outcome, and the status or why there is none."""
    rule = config.health
    try:
        response = protocol.send_request(
            "127.0.0.1", config.port, rule.request, timeout=PING_TIMEOUT
        )
    except TimeoutError:
        return Ping.HUNG, f"within {PING_TIMEOUT} s"
    except ConnectionRefusedError:
        return Ping.REFUSED, ""
    except OSError as error:
        return Ping.WRONG, str(error.strerror or error)
    status = response.status
    if status in rule.right:
        if rule.is_right(response.body):
            return Ping.OK, str(status)
        if status not in rule.busy:
            return Ping.WRONG, f"{status} with a wrong body"
    return (Ping.BUSY if status in rule.busy else Ping.WRONG), str(status)


def read_unit_state(unit: str) -> dict[str, str]:
    """Read a unit's properties from systemd; empty when systemd does not answer within 5 s."""
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


def read_process_start(pid: int) -> float:
    """Return when the process started, in seconds since boot; 0 when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            # The second field is the program's name, which may contain spaces and ")".
            fields = file.read().rpartition(")")[2].split()
            return int(fields[19]) / _TICKS  # starttime, field 22 of proc(5)
    except (OSError, IndexError):
        return 0.0


def read_rss(pid: int) -> int:
    """Return the process's resident memory in bytes; 0 when there is no such process."""
    try:
        with open(f"/proc/{pid}/statm", encoding="utf-8") as file:
            return int(file.read().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0
