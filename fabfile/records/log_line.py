"""Read the lines of a host's logs: the journal of our units, requests among them, and
PostgreSQL's file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..engine.script_log import hide_secrets
from ..engine.shell import q
from .moment import parse_iso

LINES = 2000
"""Lines read of a host at most: the newest."""

ERROR = 3
"""The priority `err` of syslog(3); a lower number is worse."""

USUAL = 6
"""The priority `info`."""

_REQUEST = re.compile(r"request=(?P<request>\S+) endpoint=(?:ep_)?(?P<endpoint>\S+) .*?status=")
_STATUS = re.compile(r" status=(\d+) ms=(\d+) retries=\+?(\d+)")
_BAD = re.compile(r"\b(ERROR|FATAL|PANIC|ALERT|EMERG)\b|\[(?:error|crit|alert|emerg)\]")


@dataclass(frozen=True)
class LogLine:
    """One line. The names of the fields are keys in the JSON of `fab logs`."""

    time: float
    """In seconds since 1970, by the clock of its host."""
    host: str
    unit: str
    level: int
    """The priority of syslog(3): 3 is an error, 6 is usual."""
    text: str
    request: str = ""
    """The id of a request that the balancer logged: it failed, was asked again or was slow."""
    endpoint: str = ""
    status: int = 0
    ms: int = 0
    retries: int = 0

    @property
    def bad(self) -> bool:
        """Whether it tells of an error: by its level, its words, a 5xx, or a retry."""
        return (
            self.level <= ERROR
            or self.status >= 500
            or self.retries > 0
            or bool(_BAD.search(self.text))
        )


@dataclass(frozen=True)
class LogFilter:
    """Which lines to keep; an empty value keeps all."""

    unit: str = ""
    endpoint: str = ""
    status: str = ""
    """A status, or a class such as `5xx`."""
    request: str = ""
    errors: bool = False

    def keeps(self, line: LogLine) -> bool:
        """Whether `line` matches every filter."""
        return (
            (not self.unit or self.unit in line.unit)
            and (not self.endpoint or self.endpoint == line.endpoint)
            and (not self.status or _has_status(line, self.status))
            and (not self.request or self.request == line.request)
            and (not self.errors or line.bad)
        )


def _has_status(line: LogLine, wanted: str) -> bool:
    status = str(line.status)
    return status == wanted or (wanted[1:].lower() == "xx" and status[0] == wanted[0])


def log_probe(
    units: Sequence[str], since: float, *, postgres: bool = False, follow: bool = False
) -> str:
    """Read-only shell text that prints the lines of `units` since a moment, for `parse_lines`.

    Args:
        units: the systemd units.
        since: in seconds since 1970.
        postgres: also the end of PostgreSQL's own log, which is a file.
        follow: go on with new lines until the reader ends.
    """
    chosen = " ".join(f"-u {q(unit)}" for unit in units)
    read = (
        "journalctl -q --no-pager -o json"
        f" --output-fields=MESSAGE,PRIORITY,_SYSTEMD_UNIT,UNIT {chosen}"
    )
    if follow:
        return f"exec {read} -f -n 0"
    file = f"tail -q -n {LINES} /var/log/postgresql/*.log 2>/dev/null; " if postgres else ""
    return f"{file}timeout 10 {read} --since @{int(since)} -n {LINES}; true"


def parse_lines(host: str, lines: Iterable[str], since: float = 0) -> list[LogLine]:
    """The log lines from `since` on in the output of `log_probe`, without secrets, oldest
    first."""
    found = [line for text in lines if (line := parse_line(host, text)) and line.time >= since]
    return sorted(found, key=lambda line: line.time)


def parse_line(host: str, text: str) -> LogLine | None:
    """The log line in one line of the output; None if it is not one."""
    if text.startswith("{"):
        return _parse_journal(host, text)
    moment = re.match(r"(\d{4}-\d\d-\d\d) ([\d:.]+) (?:UTC|GMT) (.*)", text)
    if not moment:  # the continuation of a statement
        return None
    time = parse_iso(f"{moment[1]}T{moment[2]}+00:00")
    return LogLine(time, host, "postgresql", USUAL, hide_secrets(moment[3]))


def _parse_journal(host: str, text: str) -> LogLine | None:
    try:
        entry = json.loads(text)
        time = int(entry["__REALTIME_TIMESTAMP"]) / 1e6
    except (ValueError, KeyError, TypeError):
        return None
    message = entry.get("MESSAGE")
    if isinstance(message, list):  # journald's form of text that is not UTF-8
        message = bytes(message).decode(errors="replace")
    unit = str(entry.get("UNIT") or entry.get("_SYSTEMD_UNIT") or "").removesuffix(".service")
    level = str(entry.get("PRIORITY", USUAL))
    said = hide_secrets(str(message or ""))
    number = int(level) if level.isdigit() else USUAL
    request, status = _REQUEST.match(said), _STATUS.search(said)
    if not request or not status:
        return LogLine(time, host, unit, number, said)
    return LogLine(
        time,
        host,
        unit,
        number,
        said,
        request["request"],
        request["endpoint"],
        int(status[1]),
        int(status[2]),
        int(status[3]),
    )
