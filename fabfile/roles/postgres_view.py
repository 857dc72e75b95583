"""The settings PostgreSQL uses, against those of our file: which differ, what overrules them,
and where. Pure but for SQL text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from ..engine.sqltext import quote_literal

OUR_FILE = "/conf.d/50-runbook.conf"

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
"""What is used, which line of which file is the last to set it, what the app's role or database
sets instead, and lines that the server cannot read. JSON lines. A setting that needs a restart, or
is in no file any more, has an error in pg_file_settings until then, which is no broken line.
"""


class Cause(StrEnum):
    """Why a setting is not used as our file has it."""

    STALE = "our file is the last to set it, but the server has not taken it over"
    NOT_READ = "our file is not read"
    RESETTABLE = "ALTER SYSTEM, ALTER ROLE or ALTER DATABASE overrules our file"
    OTHER_FILE = "another file overrules ours"
    AT_START = "it was set when the server was started"


@dataclass(frozen=True)
class Overruled:
    """One setting that is not in effect as wanted, or will not be after the next restart."""

    name: str
    wanted: str
    used: str
    cause: Cause
    where: str
    """File and line that set it, or PostgreSQL's own word for the source."""
    restart: bool
    """Whether it takes effect at a restart only."""
    reset: str = ""
    """The statement that ends it, for Cause.RESETTABLE."""
    others: int = 0
    """How many more settings have the same cause (see `merged`)."""
    later: bool = False
    """The server still uses the wanted value, but will not after its next restart or reload."""

    def __str__(self) -> str:
        by = {
            Cause.RESETTABLE: f"{self.where} overrules our file",
            Cause.OTHER_FILE: f"{self.where} overrules our file",
            Cause.NOT_READ: "postgresql.conf does not include our file",
            Cause.STALE: f"a {'restart' if self.restart else 'reload'} is missing",
            Cause.AT_START: f"it comes from the {self.where}",
        }[self.cause]
        verb = "will use, once restarted or reloaded," if self.later else "uses"
        more = f" (and {self.others} more settings)" if self.others else ""
        return (
            f"PostgreSQL {verb} {self.name} = '{self.used}' instead of '{self.wanted}'{more}: {by}"
        )

    def remedy(self, unit: str) -> str:
        """What to type."""
        act = f"systemctl {'restart' if self.restart else 'reload'} {unit}"
        return {
            Cause.RESETTABLE: (
                f'fab deploy   (or on the host: runuser -u postgres -- psql -c "{self.reset}" &&'
                f" {act})"
            ),
            Cause.OTHER_FILE: f"on the host: remove {self.name} at {self.where}, then {act}",
            Cause.NOT_READ: "fab deploy   (it adds include_dir = 'conf.d' to postgresql.conf)",
            Cause.STALE: f"fab deploy   (or on the host: {act})",
            Cause.AT_START: (
                f"on the host: grep -r {self.name} /etc/postgresql; take it out, then {act}"
            ),
        }[self.cause]


def in_effect_query(wanted: Iterable[str], database: str, user: str) -> str:
    """The question about the settings called `wanted`, and about the app's database and role;
    JSON lines."""
    names = ", ".join(map(quote_literal, wanted))
    text = IN_EFFECT.replace("{names}", names)
    return text.replace("{database}", quote_literal(database)).replace(
        "{user}", quote_literal(user)
    )


def overruled(wanted: Mapping[str, str], facts: Sequence[Mapping[str, Any]]) -> list[Overruled]:
    """Pure: the settings whose value in use is not the wanted one, or will not be after the next
    restart."""
    settings = [fact for fact in facts if fact.get("setting") in wanted]
    return [found for fact in settings if (found := _overruled(wanted[fact["setting"]], fact))]


def _overruled(wanted: str, fact: Mapping[str, Any]) -> Overruled | None:
    name, unit = fact["setting"], fact["unit"]
    if "role_value" in fact:
        used, reset = fact["role_value"], fact["reset"]
        where = reset.partition(" RESET ")[0]
        same = same_value(wanted, used, unit)
        return (
            None if same else Overruled(name, wanted, used, Cause.RESETTABLE, where, False, reset)
        )
    own = fact["source"] in (
        "user",
        "database",
        "database user",
    )  # of the session that asks, not of the server
    in_use = fact["text"] if own and fact["text"] is not None else fact["used"]
    cause, where = _cause(fact)
    reset = f"ALTER SYSTEM RESET {name}" if cause is Cause.RESETTABLE else ""
    if not same_value(wanted, in_use, unit):
        return Overruled(name, wanted, fact["shown"], cause, where, fact["restart"], reset)
    text = "its default" if fact["text"] is None else fact["text"]
    if cause in (Cause.STALE, Cause.AT_START) or same_value(wanted, text, unit):
        return None
    return Overruled(name, wanted, text, cause, where, fact["restart"], reset, later=True)


def _cause(fact: Mapping[str, Any]) -> tuple[Cause, str]:
    """What is the last to set it, and where that is."""
    file = fact["file"] or ""
    where = f"{file}:{fact['line']}" if file else f"server's {fact['source']}"
    if fact["source"] in ("command line", "environment variable", "override"):
        return Cause.AT_START, str(fact["source"])
    if file.endswith("/postgresql.auto.conf"):
        return Cause.RESETTABLE, where
    if file.endswith(OUR_FILE):
        return Cause.STALE, where
    return (Cause.OTHER_FILE if fact["read"] else Cause.NOT_READ), where


def merged(wrong: Sequence[Overruled]) -> list[Overruled]:
    """Pure: those that come from a file which is not read as one, headed by the one that keeps
    users out, if it is there."""
    unread = [one for one in wrong if one.cause is Cause.NOT_READ]
    if not unread:
        return list(wrong)
    head = next((one for one in unread if one.name == "listen_addresses"), unread[0])
    return [replace(head, others=len(unread) - 1), *(one for one in wrong if one not in unread)]


def broken(facts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lines of PostgreSQL's files that it cannot read; until mended it takes over no change of
    that file."""
    return [
        f"{fact['file']}:{fact['line']}: {fact['broken']}" for fact in facts if "broken" in fact
    ]


_SIZES = {"B": 1, "kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
_TIMES = {"us": 0.001, "ms": 1.0, "s": 1000.0, "min": 60_000.0, "h": 3_600_000.0, "d": 86_400_000.0}


def same_value(wanted: str, used: str, unit: str | None) -> bool:
    """Whether `wanted`, as written in a file (512MB, 1s, on), is `used`, a number of `unit`s as
    pg_settings has it."""
    if unit is None:
        return _plain(wanted) == _plain(used)
    ours, theirs = _amount(wanted, unit), _amount(used, unit)
    return ours is not None and ours == theirs


def _plain(text: str) -> str | float:
    text = re.sub(r"\s*,\s*", ",", text.strip().lower())
    try:
        return float(text)
    except ValueError:
        return {"true": "on", "yes": "on", "false": "off", "no": "off"}.get(text, text)


def _amount(text: str, default: str) -> float | None:
    """Bytes or milliseconds; a number without a unit counts `default`s (which may be `8kB`)."""
    match = re.fullmatch(r"\s*(-?[\d.]+)\s*(\d*)([A-Za-z]*)\s*", text)
    base = re.fullmatch(r"(\d*)([A-Za-z]+)", default)
    if not match or not base:
        return None
    factor = {**_SIZES, **_TIMES}.get(match[3] or base[2])
    if factor is None:
        return None
    return float(match[1]) * factor * (1 if match[3] else int(base[1] or 1))
