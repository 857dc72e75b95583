"""Whether the database serves the app: readable tables, our settings in effect, free
connections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ..engine import pg_errors
from ..engine.errors import RunbookError
from ..engine.host import Node
from ..engine.messages import plural
from ..engine.problem import HealthCheck, Problem
from ..engine.psql import HOLDERS, answer, json_lines, psql, rows
from ..engine.shell import Reading
from ..engine.sqltext import quote_ident, quote_literal
from ..roles import postgres
from ..roles.postgres_view import (
    find_overruled,
    in_effect_query,
    list_broken_lines,
    merge_not_read,
)
from ..settings.settings import Settings
from .indexes import index_query, judge_indexes

LOCK_WAIT_SECONDS = 3
"""Seconds after which a session that waits for a lock is a problem, because users wait too."""

SPARE_CONNECTIONS = 5
"""Fewer free connections than this count as none: an app node opens several at once."""

BLOCKERS = "SELECT pid, pg_blocking_pids(pid) FROM pg_locks WHERE NOT granted"
"""For a person: which sessions wait for a lock, and which sessions block them."""

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
"""JSON lines: lock waits, settings with a pending restart, connections in total and of the app's
role, and the encoding."""

_CLOSED = "closed"
"""The probe prints it first if PostgreSQL takes no connections where the app nodes call."""

READ = """SET ROLE {role};
SELECT format('SELECT 1 FROM %I.%I LIMIT 1', relnamespace::regnamespace, relname) FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') ORDER BY relname
\\gexec
"""
"""Read a row of each table as the app's role: this waits if a table is locked, and fails if a right
is missing."""


def database_checks(settings: Settings, node: Node) -> list[HealthCheck]:
    """Return the check for PostgreSQL's host; none for other hosts."""
    if "postgres" not in node.roles:
        return []
    db, wanted = settings.database, postgres.wanted_settings(settings, node)
    user, names = quote_literal(db.user), ", ".join(map(quote_literal, wanted))
    state = STATE.replace("{names}", names).replace("{user}", user)
    query = "\n".join(
        [
            in_effect_query(wanted, db.name, db.user),
            state,
            HOLDERS,
            index_query(settings.program),
            READ.replace("{role}", quote_ident(db.user)),
        ]
    )
    # Runs on the host itself: it checks the address where the app nodes call, not the network.
    # The network has its own check.
    # Not pg_isready: the server logs its user, whom it does not know there, as a fatal error.
    port = f"/dev/tcp/{node.address}/{postgres.PORT}"
    listens = f"timeout 1 bash -c '<{port}' 2>/dev/null || echo {_CLOSED}"
    probe = f"{listens}\n{psql(db.name, query)}"
    return [HealthCheck("database", probe, partial(judge_database, wanted, settings, node))]


def judge_database(
    wanted: Mapping[str, str], settings: Settings, node: Node, seen: Reading
) -> list[Problem]:
    """Return what is wrong with the database, the most serious problem first. Pure."""
    name, unit = settings.database.name, postgres.postgres_unit(settings)
    facts = json_lines(rows(seen))
    refused = _judge_answer(name, seen)
    problems = [*refused, *_judge_settings(wanted, unit, facts)]
    # Without facts no server runs at all; `refused` has that problem already.
    if facts and rows(seen).startswith(_CLOSED):
        where = f"{node.address} port {postgres.PORT}"
        next_ = f"on {node.name}: ss -ltn; ip addr; then systemctl restart {unit}"
        problems.append(
            Problem(
                f"PostgreSQL does not take connections at {where}, where the app nodes call", next_
            )
        )
    if not refused:
        problems += [*_judge_waits(facts), *judge_indexes(facts)]
    return [
        *problems,
        *_judge_connections(facts, settings.database.user),
        *_judge_encoding(facts, name),
    ]


def _judge_answer(name: str, seen: Reading) -> list[Problem]:
    """Return a problem if the check could not read the database called `name`."""
    try:
        found = answer(seen, name)
    except RunbookError as error:
        # The check of the unit reports a stopped server; here it is an effect, not a cause.
        stopped = isinstance(error, pg_errors.NotRunning)
        return [Problem(error.problem, error.next, cause=not stopped, incident=error.incident)]
    if found is not None:
        return []
    installed = seen.code not in (126, 127)  # no psql: the check of the unit reports it
    missing = f"database {name}, its role or a table is missing: the app cannot read"
    return [Problem(missing, "fab deploy", cause=installed)]


def _judge_settings(
    wanted: Mapping[str, str], unit: str, facts: Sequence[Mapping[str, Any]]
) -> list[Problem]:
    reload = f"correct that line, then: systemctl reload {unit}"
    unread = [
        Problem(f"PostgreSQL cannot read {line}; it may not start again", reload)
        for line in list_broken_lines(facts)
    ]
    wrong = [
        Problem(str(setting), setting.remedy(unit), down=not setting.later)
        for setting in merge_not_read(find_overruled(wanted, facts))
    ]
    pending = [fact["pending"] for fact in facts if "pending" in fact]
    restart = f"when a few failed requests are acceptable: systemctl restart {unit}"
    waiting = f"{', '.join(pending)} takes effect only after a restart of PostgreSQL"
    return [*unread, *wrong, *([Problem(waiting, restart, down=False)] if pending else [])]


def _judge_waits(facts: Sequence[Mapping[str, Any]]) -> list[Problem]:
    """Return a problem if sessions wait long for a lock, with its holder.

    A lock on a table that the check itself reads was reported earlier, as an error of the check.
    """
    waits = next((fact for fact in facts if "waiting" in fact and "longest" in fact), None)
    if not waits or waits["longest"] < LOCK_WAIT_SECONDS:
        return []
    number = waits["waiting"]
    sentence = (
        f"{plural(number, 'session')} of the database must wait for a lock, for up to"
        f" {waits['longest']} s"
    )
    by = next((fact for fact in facts if fact.get("session") and fact.get("waiting")), None)
    by = by or next((fact for fact in facts if "prepared" in fact), None)
    if by is None:
        # The holder may be gone already, or is no client (autovacuum, for example).
        by_hand = f"on the host: {pg_errors.AS_SUPERUSER} -c '{BLOCKERS}'"
        again = f"fab status   (again: it names the holder); or {by_hand}"
        return [Problem(sentence, again, incident="db-locked")]
    who, command = pg_errors.describe_holder(by)
    return [Problem(f"{sentence}: {who}", command, incident="db-locked")]


def _judge_connections(facts: Sequence[Mapping[str, Any]], user: str) -> list[Problem]:
    seen = next((fact for fact in facts if "connections" in fact), None)
    if not seen:
        return []
    count = "SELECT usename, client_addr, state, count(*) FROM pg_stat_activity GROUP BY 1, 2, 3"
    who = f"on the host: {pg_errors.AS_SUPERUSER} -c '{count}'"
    if seen["most"] - seen["connections"] < SPARE_CONNECTIONS:
        return [
            Problem(
                f"{seen['connections']} of PostgreSQL's {seen['most']} connections are used",
                who,
                incident="db-connections",
            )
        ]
    if seen["own_most"] - seen["own"] < SPARE_CONNECTIONS:
        return [
            Problem(
                f"{seen['own']} of the {seen['own_most']} connections of role {user} are used",
                who,
                incident="db-connections",
            )
        ]
    return []


def _judge_encoding(facts: Sequence[Mapping[str, Any]], name: str) -> list[Problem]:
    encoding = next((fact["encoding"] for fact in facts if "encoding" in fact), "UTF8")
    if encoding == "UTF8":
        return []
    move = f"pg_dump {name}, drop it, fab deploy, load the dump (in a maintenance window)"
    return [
        Problem(
            f"database {name} is encoded in {encoding}, not UTF8: PostgreSQL does not check what it"
            " stores",
            move,
            down=False,
        )
    ]
