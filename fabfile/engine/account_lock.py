"""Name the program that locks a host's accounts, when useradd or groupadd could not."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from .errors import RunbookError
from .shell import Reading

WORDS = re.compile("cannot lock /etc/(passwd|group|shadow|gshadow)")

PROBE = """for pid in $(
  grep -ahso '[0-9]*' /etc/passwd.lock /etc/group.lock /etc/shadow.lock /etc/gshadow.lock
  timeout 3 find /proc/[0-9]*/fd -lname /etc/.pwd.lock 2>/dev/null | cut -d/ -f3); do
  [ -d "/proc/$pid" ] || continue
  ticks=$(sed 's/.*) //' "/proc/$pid/stat" | cut -d' ' -f20)
  age=$(awk -v ticks="$ticks" -v hz="$(getconf CLK_TCK)" \\
    '{ printf "%d", $1 - ticks / hz }' /proc/uptime)
  unit=$(sed -n 's|.*/\\([^/]*\\.service\\).*|, \\1|p' "/proc/$pid/cgroup" | head -n 1)
  since=$(date -d "@$(($(date +%s) - age))" +%H:%M:%S)
  echo "$(cat "/proc/$pid/comm") (pid $pid$unit), since $since, $age s ago"
done
ls /etc/*.lock 2>/dev/null | sed 's/^/file /'"""
"""Read-only shell text. /etc/.pwd.lock is locked by fcntl (lckpwdf(3)); a file such as
/etc/passwd.lock holds the pid of a program of the package passwd, without a newline."""


def add_lock_holder(
    host: str, error: RunbookError, read: Callable[[Sequence[str]], list[Reading]]
) -> RunbookError:
    """`error`; if its problem has WORDS, with who holds the lock, since when, and what to type.

    `read` runs probes on the host (`Link.read`).
    """
    if not WORDS.search(error.problem):
        return error
    lines = read([PROBE])[0].out.splitlines()
    holders = [line for line in lines if not line.startswith("file ")]
    files = " ".join(line.removeprefix("file ") for line in lines if line.startswith("file "))
    again = f"fab -H {host} deploy"
    if holders:
        error.why = f"the accounts of the host are locked by {' and '.join(holders)}"
        error.next = f"wait until it has ended, then: {again}"
    elif files:
        error.why = f"a program that was killed left the lock: {files}"
        error.next = f"on {host}, as root: rm {files}; then: {again}"
    else:
        error.why = "another program changed the accounts of the host, and has ended since"
        error.next = again
    return error
