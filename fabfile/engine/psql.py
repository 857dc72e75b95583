"""Query PostgreSQL by shell text (psql on the host), and parse the answer.

Every query has a lock time-out and a statement time-out, and runs without the PG* variables of the
host's environment.
"""

from __future__ import annotations

import json
from typing import Any

from . import pg_errors
from .shell import Reading, q

LOCK_MS = 1500
"""Milliseconds that a query waits for a lock."""
STATEMENT_MS = 2000
"""Milliseconds that one statement may take."""
QUESTION_S = 3
"""Seconds for the whole query, connecting included. A server stopped by SIGSTOP accepts the
connection and never answers, so the server's own time-outs are not enough."""

LIMITS = (
    f"-c lock_timeout={LOCK_MS} -c statement_timeout={STATEMENT_MS}"
    " -c client_connection_check_interval=1s -c TimeZone=UTC"
)
"""Options of every session of the runbook. client_connection_check_interval ends a statement soon
after its client was killed."""

REFUSED = "#refused"
"""Marks the line after the rows when a query failed. psql's exit status and output follow, then
facts as JSON lines."""

_ASK = f"""for psql in /usr/lib/postgresql/*/bin/psql; do :; done
ask() {{
  env -i PATH="$PATH" LC_ALL=C.UTF-8 PGCLIENTENCODING=UTF8 PGCONNECT_TIMEOUT=2 PGAPPNAME=runbook \\
    PGOPTIONS={q(LIMITS)} timeout -k 1 {QUESTION_S} \\
    setpriv --reuid=postgres --regid=postgres --init-groups "$psql" \\
    -XAtq -v ON_ERROR_STOP=1 -v VERBOSITY=verbose -d "$1"
}}
"""
# Debian's own `psql` is a Perl wrapper, and runuser opens a PAM session. Without the two, a query
# takes 10 ms instead of 50.

HOLDERS = r"""SELECT json_build_object('session', a.pid, 'user', a.usename,
  'application', a.application_name,
  'client', coalesce(host(a.client_addr), 'a local socket'), 'state', a.state,
  'state_since', a.state_change::timestamptz(0)::text,
  'query_since', a.query_start::timestamptz(0)::text,
  'transaction_since', a.xact_start::timestamptz(0)::text,
  'seconds', extract(epoch FROM now() - a.xact_start)::int,
  'query', left(regexp_replace(regexp_replace(a.query, '\s+', ' ', 'g'),
    '(password )''[^'']*''', '\1...', 'gi'), 100),
  'locked', locked.names, 'waiting', waiting.number)
FROM pg_stat_activity a,
LATERAL (SELECT string_agg(CASE WHEN l.database = d.oid THEN l.relation::regclass::text
    ELSE 'relation ' || l.relation END, ', ') AS names FROM pg_locks l, pg_database d
  WHERE l.pid = a.pid AND l.mode = 'AccessExclusiveLock' AND l.locktype = 'relation' AND l.granted
    AND d.datname = current_database()) locked,
LATERAL (SELECT count(*) AS number FROM pg_stat_activity w WHERE w.wait_event_type = 'Lock'
    AND a.pid = ANY(pg_blocking_pids(w.pid))) waiting
WHERE a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
  AND a.xact_start < now() - interval '1 s'
ORDER BY waiting.number > 0 DESC, a.wait_event_type IS NOT DISTINCT FROM 'Lock',
  locked.names IS NULL, a.xact_start
LIMIT 3;
SELECT json_build_object('prepared', gid, 'user', owner,
  'transaction_since', prepared::timestamptz(0)::text)
FROM pg_prepared_xacts WHERE prepared < now() - interval '1 s' ORDER BY prepared LIMIT 1;"""
"""Query for sessions with an open transaction, as JSON lines. Sessions that block others come
first, then sessions that lock a whole table."""

_DATABASES = "SELECT json_build_object('databases', json_agg(datname)) FROM pg_database;"

_HOST_FACTS = r"""data=$(sed -n "s/^data_directory *= *'\([^']*\)'.*/\1/p" \
  /etc/postgresql/*/main/postgresql.conf 2>/dev/null | tail -n 1)
df -P "$data" "$data/pg_wal/" "$data"/pg_tblspc/*/ 2>/dev/null |
  awk 'NR>1{printf "{\"mount\": \"%s\", \"free_kb\": %d}\n", $6, $4}'
df -Pi "$data" 2>/dev/null |
  awk 'NR>1 && $2>0{printf "{\"mount\": \"%s\", \"free_inodes\": %d}\n", $6, $4}'
for socket in /var/run/postgresql/.s.PGSQL.*; do
  case $socket in *.lock | *'*') ;; *) printf '{"socket": "%s"}\n' "$socket";; esac
done
"""


def psql(database: str, query: str) -> str:
    """Shell text that prints the rows of `query`, unaligned, with `|` between columns.

    Warnings (a collation's version …) are left out. When the query fails, the text prints REFUSED
    and what `answer` needs to explain the failure, and exits with psql's status.
    """
    return (
        f"{_ASK}exec 3>&1\nwords=$(ask {q(database)} 2>&1 >&3 <<'SQL'\n{query.strip()}\nSQL\n) &&"
        " exit 0\n"
        f'code=$?\nprintf \'%s\\n\' "{REFUSED} $code" "$words"\n{_facts(database)}exit $code'
    )


def facts(database: str) -> str:
    """Shell text that prints only the facts, for a statement that failed in psycopg."""
    return f"{_ASK}code=3\necho '{REFUSED} 0'\n{_facts(database)}true"


def _facts(database: str) -> str:
    """Shell text that prints the facts.

    They come from `database`, which knows the names of its tables. If it refused the connection,
    they come from `postgres`. (psql exits with 3 when a statement failed, and with 2 when the
    connection did.)
    """
    return (
        f"context() {{\n  ask \"$1\" 2>/dev/null <<'SQL'\n{_DATABASES}\n{HOLDERS}\nSQL\n}}\n"
        f'{{ [ "$code" = 3 ] && context {q(database)}; }} || context postgres\n{_HOST_FACTS}'
    )


def rows(seen: Reading) -> str:
    """The rows in `seen`; for a failed query, the rows before the failure."""
    return seen.out.partition(f"{REFUSED} ")[0]


def answer(seen: Reading, database: str = "postgres") -> str | None:
    """The rows; None when PostgreSQL, the database, a table or a role does not exist. Pure.

    Raises:
        pg_errors.NotRunning: no server listens on the socket.
        RunbookError: the query failed (disk full, locked, refused …), so the state is unknown.
    """
    if seen.code == 0:
        return seen.out
    _, _, failure = seen.out.rpartition(f"{REFUSED} ")
    output = "\n".join(line for line in failure.splitlines()[1:] if not line.startswith("{"))
    found = json_lines(failure)
    if pg_errors.reports_missing_object(output, seen.code, database, found):
        return None
    raise pg_errors.explain_failure(output, seen.code, found)


def json_lines(text: str) -> list[dict[str, Any]]:
    """The JSON objects among the lines of `text`."""
    objects = []
    for line in text.splitlines():
        if line.startswith("{"):
            try:
                objects.append(json.loads(line))
            except ValueError:  # a line that was cut off
                continue
    return objects
