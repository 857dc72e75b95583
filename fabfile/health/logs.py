"""Whether the app's log stays bounded (R22): rotation runs, succeeds, and keeps the size within its
limit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from ..engine.host import Node
from ..engine.problem import HealthCheck, Problem
from ..engine.shell import Reading
from ..settings.paths import SETTINGS
from ..settings.settings import Settings
from .unit_state import show_moment
from .units import ROTATION

OVERDUE_SECONDS = 300
"""Seconds without a run that count as a fault; the timer fires every minute."""

GROWTH_PER_MINUTE = 60 * 200_000
"""Bytes that a log may grow between two runs: 350 lines/s of 560 bytes for a minute, which is well
above the log of 100 requests/s."""


@dataclass(frozen=True)
class Rotation:
    """The state of the log's rotation on a host. Times are seconds since 1970 by its clock; 0:
    never.

    `failure` is the error of the last run, from logrotate or systemd; empty if the run succeeded,
    or if there was no run yet.
    """

    timer: str
    now: int
    last_run: int
    failure: str
    files: int | None
    """How many logs it rotates, from the configuration on the host; 0 if the app logs to the
    journal."""
    size_mb: int | None
    """The size at which it rotates, from the configuration on the host."""
    largest: int
    """Bytes of the largest current log."""

    @property
    def fault(self) -> str:
        """Why the log is not bounded, as a clause; empty if it is bounded."""
        if self.files == 0:
            return ""  # journald bounds the journal
        if self.failure:
            return f"the last rotation failed: {self.failure}"
        if self.timer != "active":
            return f"{ROTATION}.timer is {self.timer or 'not known to systemd'}"
        if self.last_run and self.now - self.last_run > OVERDUE_SECONDS:
            return (
                f"the last run was at {show_moment(self.last_run, self.now)}, but the timer should"
                " start a run every minute"
            )
        if self.size_mb is None:
            return f"{SETTINGS}/logrotate.conf has no size limit"
        if self.largest > (self.size_mb << 20) + GROWTH_PER_MINUTE:
            return (
                f"the log has {self.largest >> 20} MB, but should be rotated at {self.size_mb} MB"
            )
        return ""


PROBE = f"""conf={SETTINGS}/logrotate.conf
printf 'timer=%s\\n' "$(systemctl is-active {ROTATION}.timer)"
printf 'now=%s\\n' "$(date +%s)"
systemctl show --timestamp=unix \\
  -p ActiveState,Result,ExecMainStatus,StateChangeTimestamp {ROTATION}.service
[ ! -e $conf ] || printf 'files=%s\\n' "$(grep -c '^/.* {{$' $conf)"
sed -n 's/^ *size \\([0-9]*\\)M$/size=\\1/p' $conf 2>/dev/null | head -n 1
sed -n 's|^\\(/.*\\) {{$|\\1|p' $conf 2>/dev/null |
  while read -r log; do stat -c 'bytes=%s' "$log" 2>/dev/null; done
if systemctl is-failed -q {ROTATION}.service; then
  printf 'words=%s\\n' "$(timeout 1 \\
    journalctl -q -n 20 -o cat --no-pager _SYSTEMD_UNIT={ROTATION}.service |
    grep -i error | tail -n 1)"
fi
true"""
"""Read-only shell text that prints a host's rotation, for `parse_rotation`."""


JOURNAL_USAGE = "ec387f577b844b8fa948f33cad9a75e6"
"""The id of the message in which journald writes its size and its bound (systemd's
sd-messages.h)."""

JOURNAL_PROBE = f"""\
journalctl -q -o export -n 1 MESSAGE_ID={JOURNAL_USAGE} |
  sed -n 's/^CURRENT_USE=/used=/p; s/^MAX_USE=/limit=/p; s/^DISK_AVAILABLE=/free=/p'
"""
"""Read-only shell text that prints how large the journal is and may become, in bytes."""


def parse_rotation(text: str) -> Rotation:
    """Read the rotation from the output of `PROBE`."""
    seen = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    failed = seen.get("ActiveState") == "failed"
    ended = f"{seen.get('Result', '?')} {seen.get('ExecMainStatus', '')}".strip()
    ran = seen.get("StateChangeTimestamp", "").lstrip("@")
    size, files = seen.get("size", ""), seen.get("files", "")
    return Rotation(
        timer=seen.get("timer", ""),
        now=int(seen.get("now") or 0),
        last_run=int(ran) if ran.isdigit() else 0,
        failure=(seen.get("words", "").removeprefix("error: ") or ended) if failed else "",
        files=int(files) if files.isdigit() else None,
        size_mb=int(size) if size.isdigit() else None,
        largest=max(map(int, re.findall(r"^bytes=(\d+)$", text, re.M)), default=0),
    )


def log_checks(settings: Settings, node: Node) -> Sequence[HealthCheck]:
    """Return the check for an app node; none for other hosts."""
    return (
        [HealthCheck("logs", PROBE, partial(judge_rotation, node.name), read_largest)]
        if "app" in node.roles
        else []
    )


def read_largest(reading: Reading) -> dict[str, str]:
    """Return the size of the largest current log as the fact `log`, in bytes."""
    return {"log": str(parse_rotation(reading.out).largest)}


def judge_rotation(host: str, seen: Reading) -> list[Problem]:
    """Return what keeps the log from being rotated.

    The checks in units.py report failed units; this check leaves them out.
    """
    rotation = parse_rotation(seen.out)
    if not rotation.fault or rotation.failure or rotation.timer != "active":
        return []
    next_ = f"on {host}: systemctl start {ROTATION}; journalctl -u {ROTATION} -n 20"
    message = f"the app's log is not bounded: {rotation.fault}"
    return [Problem(message, next_, down=False, incident="log-rotation")]
