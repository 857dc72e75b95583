"""Explain a failed PostgreSQL query: cause, effect and next command, from psql's output and from
facts of the host. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import RunbookError
from .secret import mask_secrets

Facts = Sequence[Mapping[str, Any]]
"""Facts that the host added to a failed query: one mapping per fact (`databases`, `session`,
`mount`, `socket` …)."""

# SQLSTATEs are listed in PostgreSQL's manual, appendix A.
MISSING_OBJECT_STATES = ("3D000", "3F000", "42704", "42P01")
"""SQLSTATEs that answer the query: this database, schema, role or table does not exist."""
LOCK_STATES = ("55P03", "57014", "40P01")
"""SQLSTATEs of a lock or statement time-out, and of a deadlock."""
DISK_SIGNS = ("no space left on device", "disk quota exceeded", "read-only file system", "53100")
TOO_MANY_CONNECTIONS = "53300"
CONNECTION_SIGNS = ("too many clients", "remaining connection slots", "too many connections")
STARTING_SIGNS = ("57P03", "starting up", "shutting down", "in recovery", "not yet accepting")
NOT_INSTALLED = ("setpriv:", "timeout: failed to run")
"""Prefixes of the output on a host without psql or without the user postgres."""

AS_SUPERUSER = "runuser -u postgres -- psql"
STATE_UNKNOWN = "the database could not be queried, so its state is unknown; nothing was changed"
LOGS = "tail /var/log/postgresql/*.log"


NO_CONNECTION_LEFT = "PostgreSQL has no connection left for us"


class NotRunning(RunbookError):
    """No server listens on PostgreSQL's socket."""

    incident = "db-down"


class DatabaseDiskFull(RunbookError):
    """The database's file system is full or read-only."""

    incident = "disk-full"


class NoConnectionLeft(RunbookError):
    """PostgreSQL refuses new sessions."""

    incident = "db-connections"


class LockHeld(RunbookError):
    """A query waited too long for another session."""

    incident = "db-locked"


def reports_missing_object(output: str, code: int, database: str, facts: Facts) -> bool:
    """Whether the failure answers the query: PostgreSQL, the database or the object is missing.

    Args:
        output: what psql printed.
        code: the exit status of the query.
    """
    if code in (126, 127) or output.startswith(NOT_INSTALLED):
        return True
    if find_sqlstate(output) in MISSING_OBJECT_STATES:
        return True
    databases = next((fact["databases"] for fact in facts if "databases" in fact), None)
    return databases is not None and database not in databases


def find_sqlstate(output: str) -> str:
    """The SQLSTATE in psql's output (VERBOSITY=verbose); "" for a refused connection, for which
    psql prints no SQLSTATE."""
    match = re.search(r":\s+(?=[A-Z]*\d)([0-9A-Z]{5}):\s", output)
    return match[1] if match else ""


def explain_failure(output: str, code: int, facts: Facts) -> RunbookError:
    """The error for a query or statement that failed.

    Args:
        output: what psql printed.
        code: the exit status of psql, or of the `timeout` around it.
    """
    message, lower, state = _server_message(output), output.lower(), find_sqlstate(output)
    if any(sign in lower for sign in DISK_SIGNS):
        return _explain_disk(message, facts)
    if state in LOCK_STATES or "lock timeout" in lower or "statement timeout" in lower:
        return _explain_lock(message, facts)
    if state == TOO_MANY_CONNECTIONS or any(sign in lower for sign in CONNECTION_SIGNS):
        return NoConnectionLeft(
            f"{NO_CONNECTION_LEFT} ({message})",
            STATE_UNKNOWN,
            "on the host: ps -o pid,args -C postgres   (who is connected); end idle clients, then"
            " try again",
        )
    if "is the server running" in lower:
        return _explain_no_server(facts)
    if any(sign in lower for sign in STARTING_SIGNS):
        return RunbookError(
            f"PostgreSQL does not accept connections yet ({message})",
            STATE_UNKNOWN,
            "wait until it does (journalctl -fu 'postgresql@*' on the host), then try again",
        )
    if code in (124, 137) or "timeout expired" in lower:  # timeout(1): ended, or killed with -k
        return RunbookError(
            "PostgreSQL did not answer within 3 s",
            STATE_UNKNOWN,
            f"on the host: systemctl status 'postgresql@*'; {LOGS}",
        )
    return RunbookError(
        f"PostgreSQL refused: {message or f'psql ended with {code}'}",
        STATE_UNKNOWN,
        f"on the host: {LOGS}",
    )


def _server_message(output: str) -> str:
    """The server's message without psql's prefix, SQLSTATE and LOCATION."""
    text = " ".join(line for line in output.splitlines() if not line.startswith("LOCATION:"))
    text = re.sub(r"^.*?(?:ERROR|FATAL|PANIC|FEHLER):\s+(?:[0-9A-Z]{5}:\s+)?", "", text)
    return mask_secrets(" ".join(text.split()))[-200:]


def _explain_disk(message: str, facts: Facts) -> RunbookError:
    mounts = [fact for fact in facts if "mount" in fact]
    full = [
        fact for fact in mounts if fact.get("free_kb", 1) == 0 or fact.get("free_inodes", 1) == 0
    ]
    candidates = full or mounts or [{"mount": "its data directory"}]
    mount = str(candidates[0]["mount"])
    state = ""
    if full:
        no_inodes = any(fact.get("free_inodes") == 0 for fact in full)
        state = f"; its file system {mount} {'has no inode left' if no_inodes else 'is full'}"
    return DatabaseDiskFull(
        f"PostgreSQL refused: {message}{state}",
        STATE_UNKNOWN,
        f"on the host: df -h {mount}; df -i {mount}; du -xh {mount} | sort -h | tail; make room,"
        " then try again",
    )


def _explain_no_server(facts: Facts) -> NotRunning:
    sockets = [str(fact["socket"]) for fact in facts if "socket" in fact]
    others = [socket for socket in sockets if not socket.endswith(".5432")]
    if others:
        port = others[0].rpartition(".")[2]
        return NotRunning(
            f"PostgreSQL does not listen on port 5432; the host has {' and '.join(others)}",
            "ALTER SYSTEM or another file may set another port, or this is another cluster; "
            + STATE_UNKNOWN,
            f"on the host: pg_lsclusters; {AS_SUPERUSER} -p {port} -c 'ALTER SYSTEM RESET port';"
            " then restart PostgreSQL",
        )
    return NotRunning(
        "PostgreSQL is not running (nothing listens on /var/run/postgresql/.s.PGSQL.5432)",
        STATE_UNKNOWN,
        "fab deploy   (starts it; why it ended: journalctl -u 'postgresql@*' on its host)",
    )


def _explain_lock(message: str, facts: Facts) -> RunbookError:
    for fact in facts:
        if "session" in fact or "prepared" in fact:
            holder, command = describe_holder(fact)
            return LockHeld(
                f"a database query timed out: {holder} ({message})", STATE_UNKNOWN, command
            )
    return RunbookError(
        f"PostgreSQL was too slow ({message}); no other session has an open transaction",
        STATE_UNKNOWN,
        "check the load on the host: top; iostat; then try again",
    )


def describe_holder(fact: Mapping[str, Any]) -> tuple[str, str]:
    """A sentence on the transaction in `fact` (who, what it locks, since when); and the command
    that ends it."""
    if "prepared" in fact:
        return (
            f"the prepared transaction «{fact['prepared']}» of {fact['user']} has been open since"
            f" {fact['transaction_since']}",
            f"on the host: {AS_SUPERUSER} -d DATABASE -c"
            f" \"ROLLBACK PREPARED '{fact['prepared']}'\"",
        )
    pid, state = fact["session"], fact.get("state") or "?"
    locked = fact.get("locked")
    action = f"has locked {locked}" if locked else "has had a transaction open"
    waiting = f", {fact['waiting']} waiting for it" if fact.get("waiting") else ""
    sentence = (
        f"session {pid} ({fact['user']}, {fact.get('application') or 'no name'}, from"
        f" {fact['client']}) {action} since {fact['transaction_since']} ({fact['seconds']}"
        f" s{waiting}); {state} since {fact['state_since']}, last query at {fact['query_since']}:"
        f" {mask_secrets(str(fact['query']))}"
    )
    return sentence, f"on the host: {AS_SUPERUSER} -c 'SELECT pg_terminate_backend({pid})'"
