"""One deploy at a time: a lock on every host it touches, with holder, reason, expiry and heartbeat.

The lock is a small file on the host, changed only under flock(1) and judged by the host's own
clock. It is also a fence: every change begins by checking that the lock is still ours
(`Lock.guard`), so a run that lost it stops on the host itself.
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
from .journal import Run, now
from .link import FENCED, Link
from .scripts import purpose
from .shell import STATE, q
from .slowness import SLOW

FILE = f"{STATE}/lock"
TTL = 60
"""Seconds a lock outlives its last heartbeat, on a host whose sudo is quick."""
BEAT = 15.0
"""Seconds between heartbeats."""
_MINE = f"exec 9>{FILE}.mutex\nflock 9\n"
"""What reads and writes the lock's file does so alone."""
_LOST = f"echo 'the lock on this host is no longer held by this run' >&2; exit {FENCED}"


class Holder(NamedTuple):
    """Who holds a lock, as its file says."""

    run: str
    who: str
    task: str
    reason: str
    since: str
    left: int
    """Seconds until it expires, by the host's clock; 0 or less when it has."""
    controller: str
    """`hostname~machine-id/boot-id/pid.start-time` of the process that took it."""

    def died_here(self) -> bool:
        """True when it was taken on this controller by a process that is gone (killed, or before
        a reboot)."""
        machine, _, process = self.controller.partition("/")
        boot, _, birth = process.partition("/")
        pid, _, started = birth.partition(".")
        if machine != machine_id() or not pid.isdigit():
            return False
        return boot != boot_id() or process_start(int(pid)) != started


PROBE = f"""cat {FILE} 2>/dev/null && printf 'now=%s\\n' "$(date +%s)"; true"""
"""Read-only shell text that prints the lock, for `parse_holder`."""


def parse_holder(text: str) -> Holder | None:
    """The holder in the output of `PROBE`; None when the host is free or the lock has expired."""
    seen = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    if "run" not in seen:
        return None
    left = int(seen.get("expires", 0)) - int(seen.get("now", 0))
    run, who, task, reason, since = (
        seen.get(key, "?") for key in ("run", "who", "task", "reason", "since")
    )
    return (
        Holder(
            run=run,
            who=who,
            task=task,
            reason=reason,
            since=since,
            left=left,
            controller=seen.get("controller", ""),
        )
        if left > 0
        else None
    )


class Lock:
    """Held on all `links` or on none; use as a context manager. Inside it Ctrl-C waits for the step
    in hand.

    Raises (on entry):
        Locked: another run holds one of the hosts, and `take_over` was not asked for.
    """

    def __init__(self, links: Sequence[Link], run: Run, *, take_over: bool = False) -> None:
        self.links = sorted(
            links, key=lambda link: link.name
        )  # one order everywhere: no deadlock between two runs
        self.run, self.take_over = run, take_over
        self.guard = f"grep -qxs 'run={run.id}' {FILE} || {{ {_LOST}; }}\n"
        self._held: list[Link] = []
        self._until = contextlib.ExitStack()
        self._stop = threading.Event()

    def __enter__(self) -> Lock:
        with contextlib.ExitStack() as entered:
            entered.enter_context(interrupt.deferred())
            entered.callback(self._release_all)
            entered.callback(self._stop.set)
            for link in self.links:
                interrupt.check()
                self._acquire_on(link)
            self._until = entered.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._until.close()

    @purpose("take the lock")
    def _acquire_on(self, link: Link) -> None:
        stale = ""
        while True:
            result = link.run(
                acquire_script(self.run, _ttl(link), force=self.take_over, instead_of=stale),
                check=False,
            )
            if result.code == 0:
                link.guard = self.guard
                self._held.append(link)
                # Side by side, and from now on: on slow hosts one round, or taking all the locks,
                # may outlast one of them.
                threading.Thread(target=self._renew_regularly, args=(link,), daemon=True).start()
                return
            holder = parse_holder(result.out)
            if result.code != FENCED or holder is None:
                raise RunbookError(
                    f"{link.name}: the lock could not be written:"
                    f" {result.err.strip() or result.code}",
                    "without it two deploys could run at once",
                    f"on {link.name}: df -h {STATE}; df -i {STATE}; ls -ld {STATE}",
                )
            if not holder.died_here() or holder.run == stale:
                raise locked_error(link.name, holder)
            stale = holder.run

    def _release_all(self) -> None:
        for link in self._held:
            link.guard = ""
        with ThreadPoolExecutor(len(self._held) or 1) as pool:
            list(pool.map(self._give_back, self._held))
        self._held.clear()

    @purpose("give the lock back")
    def _give_back(self, link: Link) -> None:
        with contextlib.suppress(RunbookError):  # unreachable: it expires by itself
            link.run(
                f"{_MINE}if grep -qxs 'run={self.run.id}' {FILE}; then rm -f {FILE}; fi", timeout=10
            )

    @purpose("renew the lock")
    def _renew_regularly(self, link: Link) -> None:
        while not self._stop.wait(BEAT):
            with contextlib.suppress(RunbookError):  # the guard of the next change tells
                link.run(renew_script(_ttl(link)), timeout=10, check=False)


def _ttl(link: Link) -> int:
    """Seconds a lock on the link's host outlives its last heartbeat: two more of these may begin
    late."""
    return TTL + 2 * math.ceil(link.delay) if link.delay >= SLOW else TTL


def locked_error(host: str, holder: Holder) -> Locked:
    """The message for a host that somebody else is changing."""
    reason = f" ({holder.reason})" if holder.reason not in ("", "?") else ""
    return Locked(
        f"{host} is locked by {holder.who}: {holder.task}{reason}, since {holder.since}",
        "two deploys at once would undo each other; without a heartbeat the lock ends in"
        f" {holder.left} s",
        "wait, or if that run is dead: fab deploy --take-over",
    )


def acquire_script(run: Run, ttl: int = TTL, *, force: bool, instead_of: str) -> str:
    """Script that takes the lock for `run`; with `force` also from the run called `instead_of`."""
    fields = {
        "run": run.id,
        "who": run.who,
        "task": run.task,
        "reason": run.reason,
        "since": now(),
        "controller": f"{machine_id()}/{boot_id()}/{os.getpid()}.{process_start(os.getpid())}",
    }
    lines = " ".join(q(f"{key}={value}".replace("\n", " ")) for key, value in fields.items())
    keep = (
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
        f"set -eu\nmkdir -p {STATE}\n{_MINE}now=$(date +%s)\n{keep}printf '%s\\n' {lines}"
        f' "expires=$((now + {ttl}))" >{FILE}.new\nsync {FILE}.new\nmv -f {FILE}.new {FILE}\n'
    )


def renew_script(ttl: int = TTL) -> str:
    """Script that makes the lock last `ttl` more seconds from now."""
    return (
        f'{_MINE}sed "s/^expires=.*/expires=$(( $(date +%s) + {ttl} ))/" {FILE} >{FILE}.new && mv'
        f" -f {FILE}.new {FILE}\n"
    )


def machine_id() -> str:
    """This controller; names alone are not enough (many a machine is called `debian`)."""
    try:
        number = Path("/etc/machine-id").read_text(encoding="utf-8").strip()
    except OSError:
        number = ""
    return f"{socket.gethostname()}~{number}"


def boot_id() -> str:
    """Tells one boot of this machine from the next."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return "?"


def process_start(pid: int) -> str:
    """The process' start time in clock ticks: pids are reused, the pair is not."""
    try:
        return (
            Path(f"/proc/{pid}/stat")
            .read_text(encoding="utf-8", errors="replace")
            .rpartition(")")[2]
            .split()[19]
        )
    except (OSError, IndexError):
        return ""
