"""Why PostgreSQL could not be asked: its own words and facts of its host → cause, effect, and
what to type. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import RunbookError
from .secret import mask_secrets

Facts = Sequence[Mapping[str, Any]]
"""What the host added to a refused question: one mapping a fact (`databases`, `session`,
`mount`, `socket` …)."""

ABSENT = ("3D000", "3F000", "42704", "42P01")
"""SQLSTATEs that are an answer: this database, schema, role or table does not exist."""
LOCKED = ("55P03", "57014", "40P01")
"""A lock or a statement that did not come to its end in time."""
DISK = ("no space left on device", "disk quota exceeded", "read-only file system", "53100")
SLOTS = ("53300", "too many clients", "remaining connection slots", "too many connections")
BUSY = ("57P03", "starting up", "shutting down", "in recovery", "not yet accepting")
NOT_THERE = ("setpriv:", "timeout: failed to run")
"""How the host says that there is no psql, or no user postgres: PostgreSQL is not installed."""

AS_SUPERUSER = "runuser -u postgres -- psql"
UNKNOWN = "the database could not be asked, so its state is not known; nothing was changed"


class NotRunning(RunbookError):
    """No server listens on PostgreSQL's socket."""


def is_absent(words: str, code: int, database: str, facts: Facts) -> bool:
    """Whether the refusal is an answer: what was asked about does not exist."""
    if code in (126, 127) or words.startswith(NOT_THERE):
        return True
    if sqlstate(words) in ABSENT:
        return True
    known = next((fact["databases"] for fact in facts if "databases" in fact), None)
    return known is not None and database not in known


def sqlstate(words: str) -> str:
    """The SQLSTATE in psql's words (VERBOSITY=verbose); empty when a connection was refused,
    where it prints none."""
    match = re.search(r":\s+(?=[A-Z]*\d)([0-9A-Z]{5}):\s", words)
    return match[1] if match else ""


def explain(words: str, code: int, facts: Facts) -> RunbookError:
    """The error for a question or statement that failed with these `words`; `code` is psql's
    exit status."""
    said, small, state = _last_words(words), words.lower(), sqlstate(words)
    if any(sign in small for sign in DISK) or state == "53100":
        return _disk(said, facts)
    if state in LOCKED or "lock timeout" in small or "statement timeout" in small:
        return _locked(said, facts)
    if state == "53300" or any(sign in small for sign in SLOTS):
        return RunbookError(
            f"PostgreSQL has no connection left for us ({said})",
            UNKNOWN,
            "on the host: ps -o pid,args -C postgres   (who is connected); end idle clients, then"
            " again",
        )
    if "is the server running" in small:
        return _not_running(facts)
    if any(sign in small for sign in BUSY):
        return RunbookError(
            f"PostgreSQL does not take connections yet ({said})",
            UNKNOWN,
            "wait until it does (journalctl -fu 'postgresql@*' on the host), then again",
        )
    if code in (124, 137) or "timeout expired" in small:
        return RunbookError(
            "PostgreSQL did not answer within 3 s",
            UNKNOWN,
            "on the host: systemctl status 'postgresql@*'; tail /var/log/postgresql/*.log",
        )
    return RunbookError(
        f"PostgreSQL refused: {said or f'psql ended with {code}'}",
        UNKNOWN,
        "on the host: tail /var/log/postgresql/*.log",
    )


def _last_words(words: str) -> str:
    """The server's message without psql's head, SQLSTATE and LOCATION."""
    kept = " ".join(line for line in words.splitlines() if not line.startswith("LOCATION:"))
    kept = re.sub(r"^.*?(?:ERROR|FATAL|PANIC|FEHLER):\s+(?:[0-9A-Z]{5}:\s+)?", "", kept)
    return mask_secrets(" ".join(kept.split()))[-200:]


def _disk(said: str, facts: Facts) -> RunbookError:
    mounts = [fact for fact in facts if "mount" in fact]
    full = [
        fact for fact in mounts if fact.get("free_kb", 1) == 0 or fact.get("free_inodes", 1) == 0
    ]
    where = str((full or mounts or [{"mount": "its data directory"}])[0]["mount"])
    inodes = any(fact.get("free_inodes") == 0 for fact in full)
    state = (
        f"; its file system {where} {'has no inode left' if inodes else 'is full'}" if full else ""
    )
    return RunbookError(
        f"PostgreSQL refused: {said}{state}",
        UNKNOWN,
        f"on the host: df -h {where}; df -i {where}; du -xh {where} | sort -h | tail; make room,"
        " then again",
    )


def _not_running(facts: Facts) -> NotRunning:
    sockets = [str(fact["socket"]) for fact in facts if "socket" in fact]
    others = [socket for socket in sockets if not socket.endswith(".5432")]
    if others:
        port = others[0].rpartition(".")[2]
        return NotRunning(
            f"PostgreSQL does not listen on port 5432; there is {' and '.join(others)}",
            "another port may be set by ALTER SYSTEM or another file, or this is another cluster; "
            + UNKNOWN,
            f"on the host: pg_lsclusters; {AS_SUPERUSER} -p {port} -c 'ALTER SYSTEM RESET port';"
            " then restart it",
        )
    return NotRunning(
        "PostgreSQL does not run (nothing listens on /var/run/postgresql/.s.PGSQL.5432)",
        UNKNOWN,
        "fab deploy   (starts it; why it ended: journalctl -u 'postgresql@*' on its host)",
    )


def _locked(said: str, facts: Facts) -> RunbookError:
    for fact in facts:
        if "session" in fact or "prepared" in fact:
            sentence, command = holder(fact)
            return RunbookError(
                f"a question to the database timed out: {sentence} ({said})", UNKNOWN, command
            )
    return RunbookError(
        f"PostgreSQL was too slow ({said}); no other session holds a transaction open",
        UNKNOWN,
        "look for load on the host: top; iostat; then again",
    )


def holder(fact: Mapping[str, Any]) -> tuple[str, str]:
    """Who holds what since when, in a sentence; and the command that ends it."""
    if "prepared" in fact:
        return (
            (
                f"the prepared transaction «{fact['prepared']}» of {fact['user']} is open since"
                f" {fact['transaction_since']}"
            ),
            f"on the host: {AS_SUPERUSER} -d DATABASE -c"
            f" \"ROLLBACK PREPARED '{fact['prepared']}'\"",
        )
    pid, state = fact["session"], fact.get("state") or "?"
    what = f"locks {fact['locked']}" if fact.get("locked") else "has a transaction open"
    waiting = f", {fact['waiting']} wait for it" if fact.get("waiting") else ""
    sentence = (
        f"session {pid} ({fact['user']}, {fact.get('application') or 'no name'}, from"
        f" {fact['client']}) {what} since {fact['transaction_since']} ({fact['seconds']}"
        f" s{waiting}); {state} since {fact['state_since']}, last query at {fact['query_since']}:"
        f" {mask_secrets(str(fact['query']))}"
    )
    return sentence, f"on the host: {AS_SUPERUSER} -c 'SELECT pg_terminate_backend({pid})'"
