"""The loop: ask each daemon ten times a second, and end what hangs."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections import deque
from collections.abc import Iterable, Sequence

from . import judge, processes
from .processes import Processes

PAUSE = 0.1
"""Seconds between two rounds of questions."""
PATIENCE = 0.2
"""Seconds for an answer. Both daemons give it without asking anybody, in less than a millisecond."""
AGAIN = 3.0
"""Seconds in which a master that hangs a second time is killed, too."""


class Daemon:
    """A daemon that answers GET `path` on the loopback's `port` by itself."""

    def __init__(self, unit: str, port: int, path: str) -> None:
        self.unit, self.port, self.path = unit, port, path
        self._recent: deque[Processes] = deque(maxlen=round(PATIENCE / PAUSE))
        self._acted = float("-inf")

    def check(self) -> None:
        """One question, and what follows from the answer."""
        before, began = processes.of_unit(self.unit), time.monotonic()
        if answers(self.port, self.path, PATIENCE):
            hung = judge.stopped(self._recent[0], before) if self._recent else set()
        elif time.monotonic() - began < 2 * PATIENCE:
            hung = judge.silent(before, processes.of_unit(self.unit))
        else:
            hung = set()  # it is this process that was held up, and with it perhaps the daemon
        self._recent.append(before)
        if hung:
            self._end(hung, before)

    def _end(self, hung: set[int], all_of_them: Processes) -> None:
        """Kill the workers, and wake the master, which replaces them: it still holds the ports that users wait at."""
        again, self._acted = time.monotonic() - self._acted < AGAIN, time.monotonic()
        woken = set() if again else judge.main_processes(hung, all_of_them)
        _send(signal.SIGKILL, hung - woken)
        _send(signal.SIGCONT, woken)
        self._recent.clear()
        killed = f"killed {_listed(hung - woken)}" if hung - woken else "killed none"
        print(f"{self.unit} hangs: {killed}" + (f", continued {_listed(woken)}" if woken else ""), flush=True)


def answers(port: int, path: str, seconds: float) -> bool:
    """False when there is silence. Who refuses or breaks off a connection does not hang: it is down, and systemd's affair."""
    request = f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
            connection.sendall(request)
            connection.recv(1024)
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def _send(number: signal.Signals, pids: Iterable[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue  # ended by itself


def _listed(pids: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(pids)))


def notify(text: str) -> None:
    """Tell systemd; nothing happens outside of it."""
    if path := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.sendto(text.encode(), path.replace("@", "\0", 1) if path[0] == "@" else path)


def parse(word: str) -> Daemon:
    """`haproxy.service=8081/edge-health` as a daemon."""
    unit, _, place = word.partition("=")
    port, _, path = place.partition("/")
    return Daemon(unit, int(port), f"/{path}")


def main(words: Sequence[str]) -> None:
    """Watch the daemons `words` for ever; systemd restarts this process when a round takes too long (WatchdogSec=)."""
    daemons = [parse(word) for word in words]
    notify("READY=1")
    while True:
        for daemon in daemons:
            daemon.check()
        notify("WATCHDOG=1")
        time.sleep(PAUSE)
