"""Connect to PostgreSQL through the ssh link: its unix socket is forwarded, so no port is opened.

sshd connects to the socket as the ssh user. `pg_ident.conf` (role postgres) maps that user to the
superuser: the user can become root by sudo anyway. So no administrator password exists.
"""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import pg_errors
from .errors import RunbookError
from .forward import serve_connections
from .psql import LIMITS, facts, json_lines
from .secret import mask_secrets

if TYPE_CHECKING:
    import psycopg
    from paramiko import Channel, Message, Transport

    from .link import Link

SOCKET = "/var/run/postgresql/.s.PGSQL.5432"
_KIND = b"direct-streamlocal@openssh.com"
_opening = threading.Lock()


@contextlib.contextmanager
def connect_database(
    link: Link, database: str, *, user: str = "postgres"
) -> Iterator[psycopg.Connection[Any]]:
    """An autocommit connection to `database` on the link's host, with the time-outs of `LIMITS`.

    A statement that takes longer on purpose (an index build) must SET its own time-outs.

    Raises:
        RunbookError: the server does not run, or refuses a statement. The message holds the
        server's message, and the holder of a lock.
    """
    import psycopg

    _drop_pg_environment()
    with _forward_socket(link, SOCKET) as (folder, refusals):
        try:
            connection = psycopg.connect(
                host=folder,
                dbname=database,
                user=user,
                autocommit=True,
                connect_timeout=10,
                application_name="runbook",
                client_encoding="utf8",  # psycopg returns bytes from a database in SQL_ASCII
                options=LIMITS,
            )
        except psycopg.Error as error:
            if not refusals:
                raise _explain_error(link, database, error) from None
            raise RunbookError(
                f"{link.name}: PostgreSQL cannot be reached: {refusals[0]}",
                "the database step did not run",
                f"fab -H {link.name} deploy   (or: journalctl -u 'postgresql@*' on {link.name})",
            ) from None
        try:
            with connection:
                yield connection
        except psycopg.Error as error:
            raise _explain_error(link, database, error) from None


def _explain_error(link: Link, database: str, error: psycopg.Error) -> RunbookError:
    """The error as for a failed query (`psql.answer`): cause, holder of a lock, next command."""
    text, state = mask_secrets(str(error)), error.sqlstate or ""
    # 53: no disk, memory or connections; 57: stopped or cancelled; 58: input and output errors.
    # The facts of the host explain these.
    if state in pg_errors.LOCK_STATES or state[:2] in ("53", "57", "58") or state == "":
        found = json_lines(link.read([facts(database)])[0].out)
        cause = pg_errors.explain_failure(f"ERROR:  {state}: {text}" if state else text, 0, found)
        why = "the statement had no effect" if state else cause.why
        return RunbookError(f"{link.name}: {cause.problem}", why, cause.next)
    return RunbookError(
        f"{link.name}: PostgreSQL refused: {' '.join(text.split())}",
        "the statement had no effect",
        "inv db.status",
    )


def _drop_pg_environment() -> None:
    """Remove PG* (PGHOSTADDR, PGSERVICE, PGPORT …) from the environment of this process.

    They would lead libpq to another server: libpq reads them for everything that a connection
    string leaves out, and PGSERVICE always. The runbook needs none of them.
    """
    with _opening:
        for name in [name for name in os.environ if name.startswith("PG")]:
            os.environ.pop(name, None)


def open_unix(transport: Transport, path: str) -> Channel:
    """A channel to a unix socket on the host (`direct-streamlocal@openssh.com`, PROTOCOL of
    OpenSSH, section 2.4).

    paramiko knows only the TCP kind. It writes the fields that both kinds share, and we add the
    three fields of this kind before the message is sent.
    """
    send_message = type(transport)._send_user_message  # type: ignore[attr-defined]

    def with_path(message: Message) -> None:
        # Other threads send other messages on this transport at the same time.
        if _KIND in message.asbytes()[: len(_KIND) + 5]:
            message.add_string(path)
            message.add_string("")
            message.add_int(0)
        send_message(transport, message)

    with _opening:
        transport.__dict__["_send_user_message"] = with_path
        try:
            return transport.open_channel(_KIND.decode(), timeout=10)
        finally:
            del transport.__dict__["_send_user_message"]


@contextlib.contextmanager
def _forward_socket(link: Link, path: str) -> Iterator[tuple[str, list[str]]]:
    """Forward a local socket to the socket `path` on the host while the context lasts.

    Yields the folder of the local socket, and a list that collects the reasons of failed forwards.
    """
    transport = link.transport()
    refusals: list[str] = []
    with _private_folder() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        try:
            server.bind(f"{folder}/{Path(path).name}")
        except OSError as error:
            raise _no_folder(error) from None
        server.listen(4)
        with serve_connections(
            server,
            lambda client: open_unix(transport, path),
            on_refusal=lambda error: refusals.append(_explain_refusal(path, error)),
        ):
            yield folder, refusals


@contextlib.contextmanager
def _private_folder() -> Iterator[str]:
    """A new folder that only our user may enter, by a short path.

    The path of a socket has room for 107 bytes (unix(7)), and TMPDIR may be longer.

    Raises:
        RunbookError: no folder for temporary files can be written.
    """
    try:
        temporary = tempfile.TemporaryDirectory(prefix="runbook-pg-")
    except OSError as error:
        raise _no_folder(error) from None
    with temporary as folder:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield f"/proc/self/fd/{handle}"
        finally:
            os.close(handle)


def _no_folder(error: OSError) -> RunbookError:
    return RunbookError(
        f"there is no folder for a temporary socket: {error.strerror or error}",
        "the connection to PostgreSQL needs such a socket on this machine; nothing was done",
        "df -h /tmp; or set TMPDIR to a writable folder (TMPDIR=/dev/shm), then try again",
    )


def _explain_refusal(path: str, error: BaseException) -> str:
    """Why the host did not connect a channel to its socket `path`."""
    import paramiko

    if not isinstance(error, paramiko.ChannelException):
        return str(error) or type(error).__name__
    if error.code == 1:  # OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        return (
            "sshd does not forward sockets (AllowStreamLocalForwarding and DisableForwarding in its"
            " configuration)"
        )
    return f"nothing answers at {path}"
