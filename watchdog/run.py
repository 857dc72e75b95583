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
"""Seconds for an answer. Both daemons give it without asking anybody, in less than a
millisecond."""

ANSWER, REFUSAL, SILENCE = "answer", "refusal", "silence"
"""What a question leads to. Who refuses does not hang: it is down, and systemd's affair."""


class Daemon:
    """A daemon that answers GET `path` on the loopback's `port` by itself."""

    def __init__(self, unit: str, port: int, path: str) -> None:
        self.unit, self.port, self.path = unit, port, path
        self._recent = _nothing_seen()
        self._woken: set[int] = set()

    def check(self) -> None:
        """One question, and what follows from the answer."""
        seen, began = processes.of_unit(self.unit), time.monotonic()
        reply = ask(self.port, self.path, PATIENCE)
        if time.monotonic() - began > 2 * PATIENCE:
            return  # this process was held up, and the daemon perhaps with it
        self._recent.append(seen)
        self._woken = set() if reply == ANSWER else self._woken & seen.keys()
        if in_vain := judge.idle(self._woken, seen):
            self._act(in_vain, set())
        elif reply == SILENCE:
            self._replace(judge.silent(seen, processes.of_unit(self.unit)), seen)
        else:
            self._replace(judge.stopped(self._recent[0], seen), seen)

    def _replace(self, hung: set[int], seen: Processes) -> None:
        """Kill the workers, and continue the master, which replaces them: it holds the ports at
        which users wait."""
        masters = judge.masters(hung, seen)
        self._act(hung - masters, masters)

    def _act(self, killed: set[int], woken: set[int]) -> None:
        """Kill some, continue others; who is continued must have put things right when the next
        question is asked."""
        if not killed | woken:
            return
        _send(signal.SIGKILL, killed)
        _send(signal.SIGCONT, woken)
        print(sentence(self.unit, killed, woken), flush=True)
        self._woken = woken
        self._recent = _nothing_seen()


def _nothing_seen() -> deque[Processes]:
    """The rounds of the last PATIENCE seconds, before there were any."""
    rounds = 1 + round(PATIENCE / PAUSE)
    return deque([{}] * rounds, maxlen=rounds)


def ask(port: int, path: str, seconds: float) -> str:
    """What comes back within `seconds`: an ANSWER, a REFUSAL (also a connection that breaks
    off), or SILENCE."""
    request = f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
            connection.sendall(request)
            return ANSWER if connection.recv(1024) else REFUSAL
    except TimeoutError:
        return SILENCE
    except OSError:
        return REFUSAL


def _send(number: signal.Signals, pids: Iterable[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue  # ended by itself


def sentence(unit: str, killed: set[int], woken: set[int]) -> str:
    """What was done, for the journal."""
    parts = (("killed", killed), ("continued", woken))
    return f"{unit} hangs: " + ", ".join(
        f"{verb} {' '.join(map(str, sorted(pids)))}" for verb, pids in parts if pids
    )


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
    """Watch the daemons `words` for ever; systemd restarts this process when a round takes too
    long (WatchdogSec=)."""
    daemons = [parse(word) for word in words]
    notify("READY=1")
    while True:
        for daemon in daemons:
            daemon.check()
        notify("WATCHDOG=1")
        time.sleep(PAUSE)
