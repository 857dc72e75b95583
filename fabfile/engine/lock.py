"""Lock hosts, so that only one run at a time changes them.

The lock is a small file on each host with holder, reason and expiry. It is changed only under
flock(1), and its expiry is compared with the host's own clock. It is also a fence: every change
checks first that this run still holds the lock (`Lock.guard`), so a run that lost the lock is
stopped on the host itself.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from . import interrupt
from .errors import Locked, RunbookError
from .full_disk import add_disk_cause
from .journal import Run, now
from .link import FENCED, Link, Result
from .messages import quote_output
from .scripts import purpose
from .shell import STATE, q
from .slowness import SLOW

FILE = f"{STATE}/lock"
TTL = 60
"""Seconds until a lock without a heartbeat expires, on a host whose sudo is fast."""
BEAT = 15.0
"""Seconds between heartbeats."""
_ENTER_MUTEX = f"exec 9>{FILE}.mutex\nflock 9\n"
"""Start of a script that reads and writes the lock file: only one such script runs at a time."""
_LOST = f"echo 'the lock on this host is no longer held by this run' >&2; exit {FENCED}"


class Holder(NamedTuple):
    """The holder of a lock, from the lock file."""

    run: str
    who: str
    task: str
    reason: str
    since: str
    left: int
    """Seconds until the lock expires, by the host's clock; 0 or less when it has expired."""
    controller: str
    """`hostname~machine-id/boot-id/pid.start-time` of the process that took the lock."""

    def died_here(self) -> bool:
        """Whether a process of this controller took the lock and has ended (killed, or before a
        reboot)."""
        machine, _, rest = self.controller.partition("/")
        boot, _, process = rest.partition("/")
        pid, _, started = process.partition(".")
        if machine != machine_id() or not pid.isdigit():
            return False
        return boot != boot_id() or process_start(int(pid)) != started


PROBE = f"""cat {FILE} 2>/dev/null && printf 'now=%s\\n' "$(date +%s)"; true"""
"""Read-only shell text that prints the lock file for `parse_holder`."""


def parse_holder(text: str) -> Holder | None:
    """The holder in the output of `PROBE`; None if there is no lock, or if it has expired."""
    seen = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    if "run" not in seen:
        return None
    left = int(seen.get("expires", 0)) - int(seen.get("now", 0))
    if left <= 0:
        return None
    return Holder(
        run=seen["run"],
        who=seen.get("who", "?"),
        task=seen.get("task", "?"),
        reason=seen.get("reason", "?"),
        since=seen.get("since", "?"),
        left=left,
        controller=seen.get("controller", ""),
    )


class Lock:
    """Locks the hosts of all `links`, or none of them; use as a context manager.

    Within the context Ctrl-C waits for the current step.

    Raises (on entry):
        Locked: another run holds one of the hosts, and `take_over` is false.
        RunbookError: a lock file could not be written.
    """

    def __init__(self, links: Sequence[Link], run: Run, *, take_over: bool = False) -> None:
        # All runs lock in the same order: so two runs cannot wait for each other.
        self.links = sorted(links, key=lambda link: link.name)
        self.run = run
        self.take_over = take_over
        self.guard = f"grep -qxs 'run={run.id}' {FILE} || {{ {_LOST}; }}\n"
        self._held: list[Link] = []
        self._cleanup = contextlib.ExitStack()
        self._stop = threading.Event()

    def __enter__(self) -> Lock:
        with contextlib.ExitStack() as entered:
            entered.enter_context(interrupt.defer())
            entered.callback(self._release_all)
            entered.callback(self._stop.set)
            for link in self.links:
                interrupt.check()
                self._acquire_on(link)
            self._cleanup = entered.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._cleanup.close()

    @purpose("take the lock")
    def _acquire_on(self, link: Link) -> None:
        dead_run = ""
        while True:
            result = link.run(
                acquire_script(self.run, _ttl(link), force=self.take_over, instead_of=dead_run),
                check=False,
            )
            if result.code == 0:
                link.guard = self.guard
                self._held.append(link)
                # One thread per host, started at once: on slow hosts a round of heartbeats, or
                # locking the remaining hosts, may take longer than a lock lasts.
                threading.Thread(target=self._renew_regularly, args=(link,), daemon=True).start()
                return
            holder = parse_holder(result.out)
            if result.code != FENCED or holder is None:
                raise add_disk_cause(
                    link.name, _unwritten_error(link.name, result), link.read, near=STATE
                )
            if not holder.died_here() or holder.run == dead_run:
                raise locked_error(link.name, holder)
            dead_run = holder.run

    def _release_all(self) -> None:
        for link in self._held:
            link.guard = ""
        with ThreadPoolExecutor(len(self._held) or 1) as pool:
            list(pool.map(self._release_on, self._held))
        self._held.clear()

    @purpose("release the lock")
    def _release_on(self, link: Link) -> None:
        with contextlib.suppress(RunbookError):  # unreachable: the lock expires
            link.run(
                f"{_ENTER_MUTEX}if grep -qxs 'run={self.run.id}' {FILE}; then rm -f {FILE}; fi",
                timeout=10,
            )

    @purpose("renew the lock")
    def _renew_regularly(self, link: Link) -> None:
        while not self._stop.wait(BEAT):
            with contextlib.suppress(RunbookError):  # the guard of the next change reports it
                link.run(renew_script(_ttl(link)), timeout=10, check=False)


def _ttl(link: Link) -> int:
    """Seconds until a lock on the link's host expires without a heartbeat.

    On a host with a slow sudo the next two heartbeats may both be late.
    """
    return TTL + 2 * math.ceil(link.delay) if link.delay >= SLOW else TTL


def _unwritten_error(host: str, result: Result) -> RunbookError:
    """The error for a lock file that could not be written."""
    words = quote_output(result.err) or f"exit {result.code}"
    return RunbookError(
        f"{host}: the lock could not be written: {words}",
        "without it two deploys could run at once",
        f"on {host}, as root: df -h {STATE}; df -i {STATE}; ls -ld {STATE}",
    )


def locked_error(host: str, holder: Holder) -> Locked:
    """The error for a host that another run holds."""
    reason = f" ({holder.reason})" if holder.reason not in ("", "?") else ""
    return Locked(
        f"{host} is locked by {holder.who}: {holder.task}{reason}, since {holder.since}",
        "two deploys at once would undo each other; without a heartbeat the lock expires in"
        f" {holder.left} s",
        "wait, or if that run is dead: fab deploy --take-over",
    )


def acquire_script(run: Run, ttl: int = TTL, *, force: bool, instead_of: str) -> str:
    """Script that takes the lock for `run` for `ttl` seconds.

    Args:
        force: take the lock from any other run.
        instead_of: id of a run from which the lock may be taken; "" for none.
    """
    fields = {
        "run": run.id,
        "who": run.who,
        "task": run.task,
        "reason": run.reason,
        "since": now(),
        "controller": f"{machine_id()}/{boot_id()}/{os.getpid()}.{process_start(os.getpid())}",
    }
    lines = " ".join(q(f"{key}={value}".replace("\n", " ")) for key, value in fields.items())
    respect_holder = (
        ""
        if force
        else f"if [ -e {FILE} ]; then\n"
        f"  expires=$(sed -n 's/^expires=//p' {FILE}); holder=$(sed -n 's/^run=//p' {FILE})\n"
        f'  if [ "${{expires:-0}}" -gt "$now" ] && [ "$holder" != {q(run.id)} ] && [ "$holder" !='
        f" {q(instead_of)} ]; then\n"
        f'    cat {FILE}; echo "now=$now"; exit {FENCED}\n'
        f"  fi\nfi\n"
    )
    return (
        f"set -eu\nmkdir -p {STATE}\n{_ENTER_MUTEX}now=$(date +%s)\n{respect_holder}"
        f"printf '%s\\n' {lines}"
        f' "expires=$((now + {ttl}))" >{FILE}.new\nsync {FILE}.new\nmv -f {FILE}.new {FILE}\n'
    )


def renew_script(ttl: int = TTL) -> str:
    """Script that makes the lock expire `ttl` seconds from now."""
    return (
        f'{_ENTER_MUTEX}sed "s/^expires=.*/expires=$(( $(date +%s) + {ttl} ))/" {FILE} >{FILE}.new'
        f" && mv -f {FILE}.new {FILE}\n"
    )


def machine_id() -> str:
    """An id of this controller. The name alone is not enough: many machines are called `debian`."""
    try:
        number = Path("/etc/machine-id").read_text(encoding="utf-8").strip()
    except OSError:
        number = ""
    return f"{socket.gethostname()}~{number}"


def boot_id() -> str:
    """An id of the current boot of this machine; "?" if it is not known."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return "?"


def process_start(pid: int) -> str:
    """The start time of the process `pid` in clock ticks since boot; "" if it does not exist.

    Pids are reused; a pair of pid and start time is not.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        # Field 22 (proc(5)), counted from behind the name: the name may hold spaces and brackets.
        return text.rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
