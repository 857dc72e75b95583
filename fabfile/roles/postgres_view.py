"""Compares the settings that PostgreSQL uses with those in our file, and finds what overrules
them. Pure, except for the text of the SQL query."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from ..engine.sqltext import quote_literal

OUR_FILE = "/conf.d/50-runbook.conf"
"""The end of our file's path, below the folder of the cluster's version."""

IN_EFFECT = """SELECT json_build_object('setting', s.name, 'used', s.setting,
  'shown', current_setting(s.name),
  'unit', s.unit, 'source', s.source, 'restart', s.context = 'postmaster',
  'text', f.setting, 'file', f.sourcefile, 'line', f.sourceline,
  'read', EXISTS (SELECT FROM pg_file_settings o
    WHERE o.name = s.name AND o.sourcefile LIKE '%/conf.d/50-runbook.conf'))
FROM pg_settings s LEFT JOIN (
  SELECT DISTINCT ON (name) * FROM pg_file_settings WHERE name IS NOT NULL
  ORDER BY name, seqno DESC) f USING (name) WHERE s.name IN ({names});
SELECT json_build_object('setting', s.name,
  'role_value', substr(c.line, length(s.name) + 2), 'unit', s.unit,
  'reset', format('ALTER %s RESET %I', CASE WHEN d.oid IS NULL THEN format('ROLE %I', r.rolname)
    WHEN r.oid IS NULL THEN format('DATABASE %I', d.datname)
    ELSE format('ROLE %I IN DATABASE %I', r.rolname, d.datname) END, s.name))
FROM pg_db_role_setting x CROSS JOIN LATERAL unnest(x.setconfig) c(line)
JOIN pg_settings s ON s.name = split_part(c.line, '=', 1)
LEFT JOIN pg_database d ON d.oid = x.setdatabase LEFT JOIN pg_roles r ON r.oid = x.setrole
WHERE s.name IN ({names}) AND (d.oid IS NULL OR d.datname = {database})
  AND (r.oid IS NULL OR r.rolname = {user});
SELECT json_build_object('broken', f.error, 'file', f.sourcefile, 'line', f.sourceline)
FROM pg_file_settings f LEFT JOIN pg_settings s USING (name)
WHERE f.error IS NOT NULL AND f.sourcefile IS NOT NULL AND s.context IS DISTINCT FROM 'postmaster';
SELECT json_build_object('broken', error, 'file', current_setting('hba_file'), 'line', line_number)
FROM pg_hba_file_rules WHERE error IS NOT NULL;"""
"""The query of `in_effect_query`. It prints JSON lines: each setting's value in use, with the last
line in any file that sets it; values that the app's role or database sets instead; lines that the
server cannot read.

A setting that needs a restart, or that is in no file any more, also has an error in
pg_file_settings until the restart. Its line is not broken, so the query leaves it out.
"""


class Cause(StrEnum):
    """Why the server does not use the value in our file."""

    STALE = "our file is the last to set it, but the server has not loaded it yet"
    NOT_READ = "our file is not read"
    RESETTABLE = "ALTER SYSTEM, ALTER ROLE or ALTER DATABASE overrules our file"
    OTHER_FILE = "another file overrules ours"
    AT_START = "it was set when the server was started"


@dataclass(frozen=True)
class Overruled:
    """A setting whose wanted value is not in effect, or will not be after the next restart."""

    name: str
    wanted: str
    used: str
    cause: Cause
    where: str
    """The file and line that set the value, or PostgreSQL's own name of the source."""
    restart: bool
    """Whether a new value takes effect only after a restart."""
    reset: str = ""
    """The SQL statement that removes the other value, for Cause.RESETTABLE."""
    others: int = 0
    """The number of further settings with the same cause (see `merge_not_read`)."""
    later: bool = False
    """The server still uses the wanted value, but will not after its next restart or reload."""

    def __str__(self) -> str:
        reasons = {
            Cause.RESETTABLE: f"{self.where} overrules our file",
            Cause.OTHER_FILE: f"{self.where} overrules our file",
            Cause.NOT_READ: "postgresql.conf does not include our file",
            Cause.STALE: f"a {self._action} is missing",
            Cause.AT_START: f"it comes from the {self.where}",
        }
        verb = "will use, once restarted or reloaded," if self.later else "uses"
        more = f" (and {self.others} more settings)" if self.others else ""
        return (
            f"PostgreSQL {verb} {self.name} = '{self.used}' instead of '{self.wanted}'{more}:"
            f" {reasons[self.cause]}"
        )

    def remedy(self, unit: str) -> str:
        """The command that an operator types next; `unit` is the cluster's systemd unit."""
        apply = f"systemctl {self._action} {unit}"
        commands = {
            Cause.RESETTABLE: (
                f'fab deploy   (or on the host: runuser -u postgres -- psql -c "{self.reset}" &&'
                f" {apply})"
            ),
            Cause.OTHER_FILE: f"on the host: remove {self.name} at {self.where}, then {apply}",
            Cause.NOT_READ: "fab deploy   (it adds include_dir = 'conf.d' to postgresql.conf)",
            Cause.STALE: f"fab deploy   (or on the host: {apply})",
            Cause.AT_START: (
                f"on the host: grep -r {self.name} /etc/postgresql; remove it there, then {apply}"
            ),
        }
        return commands[self.cause]

    @property
    def _action(self) -> str:
        return "restart" if self.restart else "reload"


def in_effect_query(wanted: Iterable[str], database: str, user: str) -> str:
    """The SQL query about the settings named in `wanted`, and about values that the app's
    `database` or its role `user` sets instead. It prints JSON lines."""
    names = ", ".join(map(quote_literal, wanted))
    return (
        IN_EFFECT.replace("{names}", names)
        .replace("{database}", quote_literal(database))
        .replace("{user}", quote_literal(user))
    )


def find_overruled(
    wanted: Mapping[str, str], facts: Sequence[Mapping[str, Any]]
) -> list[Overruled]:
    """Pure: the settings whose value in use differs from `wanted`, or will differ after the next
    restart. `facts` are the rows of `in_effect_query`."""
    settings = [fact for fact in facts if fact.get("setting") in wanted]
    compared = [_compare_setting(wanted[fact["setting"]], fact) for fact in settings]
    return [difference for difference in compared if difference]


def _compare_setting(wanted: str, fact: Mapping[str, Any]) -> Overruled | None:
    """Compare the value in use first, then the value that the files give at the next restart."""
    if "role_value" in fact:
        return _compare_role_value(wanted, fact)
    name, unit = fact["setting"], fact["unit"]
    # These sources belong to the session that runs the query. The server's value for other
    # sessions is then the value in the files.
    own_session = fact["source"] in ("user", "database", "database user")
    in_use = fact["text"] if own_session and fact["text"] is not None else fact["used"]
    cause, where = _find_cause(fact)
    reset = f"ALTER SYSTEM RESET {name}" if cause is Cause.RESETTABLE else ""
    if not same_value(wanted, in_use, unit):
        return Overruled(name, wanted, fact["shown"], cause, where, fact["restart"], reset)
    next_value = "its default" if fact["text"] is None else fact["text"]
    # STALE: the file is ours, and its own step corrects it. AT_START: no file has an effect.
    if cause in (Cause.STALE, Cause.AT_START) or same_value(wanted, next_value, unit):
        return None
    return Overruled(name, wanted, next_value, cause, where, fact["restart"], reset, later=True)


def _compare_role_value(wanted: str, fact: Mapping[str, Any]) -> Overruled | None:
    """Compare a value that ALTER ROLE or ALTER DATABASE sets for the app's sessions."""
    used, reset = fact["role_value"], fact["reset"]
    if same_value(wanted, used, fact["unit"]):
        return None
    where = reset.partition(" RESET ")[0]
    # New sessions use a reset value at once, so no restart is needed.
    return Overruled(
        fact["setting"], wanted, used, Cause.RESETTABLE, where, restart=False, reset=reset
    )


def _find_cause(fact: Mapping[str, Any]) -> tuple[Cause, str]:
    """The kind of the last source that sets the value, and its place."""
    file = fact["file"] or ""
    where = f"{file}:{fact['line']}" if file else f"server's {fact['source']}"
    if fact["source"] in ("command line", "environment variable", "override"):
        return Cause.AT_START, str(fact["source"])
    if file.endswith("/postgresql.auto.conf"):  # the file that ALTER SYSTEM writes
        return Cause.RESETTABLE, where
    if file.endswith(OUR_FILE):
        return Cause.STALE, where
    return (Cause.OTHER_FILE if fact["read"] else Cause.NOT_READ), where


def merge_not_read(differences: Sequence[Overruled]) -> list[Overruled]:
    """Pure: merge all settings with Cause.NOT_READ into one entry.

    One missing include line causes all of them, so an operator needs one message. The entry names
    `listen_addresses` if it is among them, because that setting keeps the app nodes out.
    """
    unread = [setting for setting in differences if setting.cause is Cause.NOT_READ]
    if not unread:
        return list(differences)
    first = next((setting for setting in unread if setting.name == "listen_addresses"), unread[0])
    rest = [setting for setting in differences if setting not in unread]
    return [replace(first, others=len(unread) - 1), *rest]


def list_broken_lines(facts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Pure: the lines (`FILE:LINE: error`) that PostgreSQL cannot read in its configuration.

    Until such a line is fixed, PostgreSQL ignores every change of its file.
    """
    return [
        f"{fact['file']}:{fact['line']}: {fact['broken']}" for fact in facts if "broken" in fact
    ]


_BYTES = {"B": 1, "kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
_MILLISECONDS = {
    "us": 0.001,
    "ms": 1.0,
    "s": 1000.0,
    "min": 60_000.0,
    "h": 3_600_000.0,
    "d": 86_400_000.0,
}


def same_value(wanted: str, used: str, unit: str | None) -> bool:
    """Whether `wanted` and `used` mean the same value.

    `wanted` is written as in a configuration file (512MB, 1s, on). `used` is as in pg_settings:
    without a suffix it counts `unit`s. `unit` is None for a setting without a unit.
    """
    if unit is None:
        return _normalise(wanted) == _normalise(used)
    ours, theirs = _to_base_unit(wanted, unit), _to_base_unit(used, unit)
    return ours is not None and ours == theirs


def _normalise(text: str) -> str | float:
    """A number, or the text in lower case with PostgreSQL's synonyms of on and off replaced."""
    text = re.sub(r"\s*,\s*", ",", text.strip().lower())
    try:
        return float(text)
    except ValueError:
        return {"true": "on", "yes": "on", "false": "off", "no": "off"}.get(text, text)


def _to_base_unit(text: str, default_unit: str) -> float | None:
    """`text` in bytes or milliseconds; None if it is no quantity. A number without a suffix counts
    `default_unit`s, which may be a multiple such as `8kB`."""
    value = re.fullmatch(r"\s*(-?[\d.]+)\s*(\d*)([A-Za-z]*)\s*", text)
    default = re.fullmatch(r"(\d*)([A-Za-z]+)", default_unit)
    if not value or not default:
        return None
    factor = {**_BYTES, **_MILLISECONDS}.get(value[3] or default[2])
    if factor is None:
        return None
    multiple = 1 if value[3] else int(default[1] or 1)
    return float(value[1]) * factor * multiple
