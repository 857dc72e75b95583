"""Whether the database answers as the app needs it: a row of each table, our settings in effect,
free connections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ..engine import pgfault
from ..engine.errors import RunbookError
from ..engine.host import Node
from ..engine.problem import HealthCheck, Problem
from ..engine.psql import HOLDERS, answer, json_lines, psql, rows
from ..engine.shell import Reading, q
from ..engine.sqltext import quote_ident, quote_literal
from ..engine.words import plural
from ..roles import postgres
from ..roles.postgres_view import broken, in_effect_query, merged, overruled
from ..settings.settings import Settings

WAITED = 3
"""Seconds from which a session that waits for a lock is a problem: users wait as long."""

SPARE = 5
"""Connections below which they are called used up: each app node opens some at once."""

STATE = """SELECT json_build_object('waiting', count(*),
  'longest', coalesce(max(extract(epoch FROM now() - query_start))::int, 0))
FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database();
SELECT json_build_object('pending', name) FROM pg_settings WHERE pending_restart
  AND name NOT IN ({names});
SELECT json_build_object('connections',
  (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
  'most', current_setting('max_connections')::int
    - current_setting('superuser_reserved_connections')::int,
  'own', (SELECT count(*) FROM pg_stat_activity WHERE usename = {user}),
  'own_most', coalesce((SELECT nullif(rolconnlimit, -1)
    FROM pg_roles WHERE rolname = {user}), 1000000));
SELECT json_build_object('encoding', pg_encoding_to_char(encoding))
FROM pg_database WHERE datname = current_database();
"""
"""Lock waits, settings that wait for a restart, connections in all and of the app's role, the
encoding; JSON lines."""

READ = """SET ROLE {role};
SELECT format('SELECT 1 FROM %I.%I LIMIT 1', relnamespace::regnamespace, relname) FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') ORDER BY relname
\\gexec
"""
"""A row of each of the app's tables, as its role: it waits for a table that is locked, and sees
missing rights."""


def database_checks(settings: Settings, node: Node) -> list[HealthCheck]:
    """The question to PostgreSQL's host."""
    if "postgres" not in node.roles:
        return []
    db, wanted = settings.database, postgres.wanted(settings, node)
    user, names = quote_literal(db.user), ", ".join(map(quote_literal, wanted))
    state = STATE.replace("{names}", names).replace("{user}", user)
    query = "\n".join(
        [
            in_effect_query(wanted, db.name, db.user),
            state,
            HOLDERS,
            READ.replace("{role}", quote_ident(db.user)),
        ]
    )
    # Asked from the host itself: whether the server listens where the app nodes call, not whether
    # the network lets them.
    listens = f"pg_isready -q -t 1 -h {q(node.address)} -p {postgres.PORT} || echo deaf"
    probe = f"{listens}\n{psql(db.name, query)}"
    return [HealthCheck("database", probe, partial(judge, wanted, settings, node))]


def judge(
    wanted: Mapping[str, str], settings: Settings, node: Node, seen: Reading
) -> list[Problem]:
    """Pure: what is wrong with the database, its gravest cause first."""
    name, unit = settings.database.name, postgres.postgres_unit(settings)
    try:
        found = answer(seen, name)
    except RunbookError as error:
        # The unit's own check tells that it does not run; this one knows no cause of that.
        refused = [
            Problem(error.problem, error.next, cause=not isinstance(error, pgfault.NotRunning))
        ]
    else:
        installed = seen.code not in (126, 127)  # else its unit's own check says enough
        missing = f"database {name}, its role or a table is missing: the app cannot read"
        gone = Problem(missing, "fab deploy", cause=installed)
        refused = [gone] if found is None else []
    facts = json_lines(rows(seen))
    problems = [*refused, *_settings(wanted, unit, facts)]
    if facts and rows(seen).startswith("deaf"):
        where = f"{node.address} port {postgres.PORT}"
        next_ = f"on {node.name}: ss -ltn; ip addr; then systemctl restart {unit}"
        problems.append(
            Problem(
                f"PostgreSQL does not take connections at {where}, where the app nodes call", next_
            )
        )
    if not refused:
        problems += _waits(facts)
    return [*problems, *_connections(facts, settings.database.user), *_encoding(facts, name)]


def _settings(
    wanted: Mapping[str, str], unit: str, facts: Sequence[Mapping[str, Any]]
) -> list[Problem]:
    reload = f"fix that line, then: systemctl reload {unit}"
    unread = [
        Problem(f"PostgreSQL cannot read {line}; it may not start again", reload)
        for line in broken(facts)
    ]
    wrong = [
        Problem(str(one), one.remedy(unit), down=not one.later)
        for one in merged(overruled(wanted, facts))
    ]
    pending = [fact["pending"] for fact in facts if "pending" in fact]
    restart = f"when a few failed requests do no harm: systemctl restart {unit}"
    waiting = f"PostgreSQL takes over {', '.join(pending)} at its next restart only"
    return [*unread, *wrong, *([Problem(waiting, restart, down=False)] if pending else [])]


def _waits(facts: Sequence[Mapping[str, Any]]) -> list[Problem]:
    """Sessions that wait for a lock for long, and who holds it. (A table locked against us is
    refused before that.)"""
    waits = next((fact for fact in facts if "waiting" in fact and "longest" in fact), None)
    if not waits or waits["longest"] < WAITED:
        return []
    number = waits["waiting"]
    sentence = (
        f"{plural(number, 'session')} of the database wait for a lock, since {waits['longest']} s"
    )
    by = next((fact for fact in facts if fact.get("session") and fact.get("waiting")), None)
    by = by or next((fact for fact in facts if "prepared" in fact), None)
    if by is None:
        return [Problem(sentence, "inv db.status")]
    who, command = pgfault.holder(by)
    return [Problem(f"{sentence}: {who}", command)]


def _connections(facts: Sequence[Mapping[str, Any]], user: str) -> list[Problem]:
    seen = next((fact for fact in facts if "connections" in fact), None)
    if not seen:
        return []
    count = "SELECT usename, client_addr, state, count(*) FROM pg_stat_activity GROUP BY 1, 2, 3"
    who = f"on the host: {pgfault.AS_SUPERUSER} -c '{count}'"
    if seen["most"] - seen["connections"] < SPARE:
        return [
            Problem(
                f"{seen['connections']} of PostgreSQL's {seen['most']} connections are used", who
            )
        ]
    if seen["own_most"] - seen["own"] < SPARE:
        return [
            Problem(
                f"{seen['own']} of the {seen['own_most']} connections of role {user} are used", who
            )
        ]
    return []


def _encoding(facts: Sequence[Mapping[str, Any]], name: str) -> list[Problem]:
    encoding = next((fact["encoding"] for fact in facts if "encoding" in fact), "UTF8")
    if encoding == "UTF8":
        return []
    move = f"pg_dump {name}, drop it, deploy, load the dump (in a quiet hour)"
    return [
        Problem(
            f"database {name} is encoded in {encoding}, not UTF8: what it stores is not checked",
            move,
            down=False,
        )
    ]
