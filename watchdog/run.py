"""The watchdog's loop: ask each daemon ten times a second, and kill what hangs."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections import deque
from collections.abc import Iterable, Sequence

from . import diagnosis
from .processes import Processes, read_unit_processes

LOOP_SECONDS = 0.1
"""Seconds between two rounds."""

ANSWER_SECONDS = 0.2
"""Seconds a daemon has to answer. Both daemons answer this request without asking anybody else, in
less than a millisecond."""

ANSWER = "answer"
REFUSAL = "refusal"
"""The daemon is down, not hung: systemd restarts it."""
SILENCE = "silence"


class Daemon:
    """A daemon that answers GET `path` at `port` of the loopback without asking anybody else."""

    def __init__(self, unit: str, port: int, path: str) -> None:
        self.unit = unit
        self.port = port
        self.path = path
        self._recent = _empty_rounds()
        self._continued: set[int] = set()
        """Masters that got SIGCONT and must have replaced their workers by the next request."""

    def check(self) -> None:
        """Ask the daemon once; kill or continue its hung processes."""
        before = read_unit_processes(self.unit)
        began = time.monotonic()
        reply = ask_daemon(self.port, self.path, timeout=ANSWER_SECONDS)
        if time.monotonic() - began > 2 * ANSWER_SECONDS:
            # This process itself was held up, and perhaps the daemon with it.
            return
        self._recent.append(before)
        self._continued = set() if reply == ANSWER else self._continued & before.keys()
        if still_idle := diagnosis.find_idle(self._continued, before):
            self._signal_processes(killed=still_idle, continued=set())
        elif reply == SILENCE:
            after = read_unit_processes(self.unit)
            self._replace_workers(diagnosis.find_silent(before, after), before)
        else:
            self._replace_workers(diagnosis.find_stopped(self._recent[0], before), before)

    def _replace_workers(self, hung: set[int], processes: Processes) -> None:
        """Kill hung workers; continue a hung master, which replaces them.

        The master is spared, because it holds the ports at which users wait.
        """
        masters = diagnosis.find_masters(hung, processes)
        self._signal_processes(killed=hung - masters, continued=masters)

    def _signal_processes(self, *, killed: set[int], continued: set[int]) -> None:
        if not killed | continued:
            return
        _send_signal(signal.SIGKILL, killed)
        _send_signal(signal.SIGCONT, continued)
        print(describe_action(self.unit, killed=killed, continued=continued), flush=True)
        self._continued = continued
        # Old rounds say nothing about the processes after the signals.
        self._recent = _empty_rounds()


def _empty_rounds() -> deque[Processes]:
    """The rounds of the last ANSWER_SECONDS, all empty: nothing counts as stopped before that."""
    count = 1 + round(ANSWER_SECONDS / LOOP_SECONDS)
    return deque([{}] * count, maxlen=count)


def ask_daemon(port: int, path: str, *, timeout: float) -> str:
    """Send GET `path`; return ANSWER, REFUSAL (also for a broken connection) or SILENCE.

    `timeout` is in seconds, for the connection and for the answer.
    """
    request = f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
            connection.sendall(request)
            return ANSWER if connection.recv(1024) else REFUSAL
    except TimeoutError:
        return SILENCE
    except OSError:
        return REFUSAL


def _send_signal(number: signal.Signals, pids: Iterable[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue  # it has just ended


def describe_action(unit: str, *, killed: set[int], continued: set[int]) -> str:
    """Describe for the journal what was done, with the process ids."""
    parts = []
    if killed:
        parts.append(f"killed {' '.join(map(str, sorted(killed)))}")
    if continued:
        parts.append(f"continued {' '.join(map(str, sorted(continued)))}")
    return f"{unit} hangs: {', '.join(parts)}"


def notify_systemd(message: str) -> None:
    """Send `message` to systemd (sd_notify). Without systemd nothing happens."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    if path.startswith("@"):  # "@" stands for the zero byte of an abstract socket
        path = path.replace("@", "\0", 1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.sendto(message.encode(), path)


def parse_daemon(argument: str) -> Daemon:
    """Parse `haproxy.service=8081/edge-health`."""
    unit, _, place = argument.partition("=")
    port, _, path = place.partition("/")
    return Daemon(unit, int(port), f"/{path}")


def main(arguments: Sequence[str]) -> None:
    """Watch the daemons in `arguments` for ever.

    systemd restarts this process when a round takes too long (WatchdogSec=).
    """
    daemons = [parse_daemon(argument) for argument in arguments]
    notify_systemd("READY=1")
    while True:
        for daemon in daemons:
            daemon.check()
        notify_systemd("WATCHDOG=1")
        time.sleep(LOOP_SECONDS)
