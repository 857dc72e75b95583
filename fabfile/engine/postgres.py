"""psycopg through the ssh link: the database's unix socket is forwarded, no port is opened to the
controller.

sshd connects to the socket as the ssh user; `pg_ident.conf` (role postgres) maps that user to the
superuser, who could become root by sudo anyway. So there is no administrator's password anywhere.
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
from .forward import copy_bytes
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
    """An autocommit connection to `database` on the link's host, with the time-outs of every
    question of ours.

    What takes longer on purpose (an index build) says so by a SET of its own.

    Raises:
        RunbookError: the server does not run, or refuses (its own words are in the message, and who
        holds what is locked).
    """
    import psycopg

    _forget_environment()
    with _forward_socket(link, SOCKET) as (folder, refusals):
        try:
            connection = psycopg.connect(
                host=folder,
                dbname=database,
                user=user,
                autocommit=True,
                connect_timeout=10,
                application_name="runbook",
                client_encoding="utf8",  # a database in SQL_ASCII would answer in bytes
                options=LIMITS,
            )
        except psycopg.Error as error:
            if not refusals:
                raise _explained(link, database, error) from None
            raise RunbookError(
                f"{link.name}: PostgreSQL cannot be reached: {refusals[0]}",
                "the database step did not run",
                f"fab -H {link.name} deploy   (or: journalctl -u 'postgresql@*' on {link.name})",
            ) from None
        try:
            with connection:
                yield connection
        except psycopg.Error as error:
            raise _explained(link, database, error) from None


def _explained(link: Link, database: str, error: psycopg.Error) -> RunbookError:
    """The error in the words of a question that failed: its cause, who holds a lock since when,
    and what to type."""
    words, state = mask_secrets(str(error)), error.sqlstate or ""
    if state in pg_errors.LOCK_STATES or state[:2] in ("53", "57", "58") or state == "":
        known = json_lines(link.read([facts(database)])[0].out)
        cause = pg_errors.explain_failure(f"ERROR:  {state}: {words}" if state else words, 0, known)
        why = "the statement had no effect" if state else cause.why
        return RunbookError(f"{link.name}: {cause.problem}", why, cause.next)
    said = " ".join(words.split())
    return RunbookError(
        f"{link.name}: PostgreSQL refused: {said}", "the statement had no effect", "inv db.status"
    )


def _forget_environment() -> None:
    """Take PG* (PGHOSTADDR, PGSERVICE, PGPORT …) out of this process: libpq would follow them to
    another server.

    libpq reads them for whatever a connection string leaves out, and PGSERVICE whatever it says.
    Nothing of ours needs them.
    """
    with _opening:
        for name in [name for name in os.environ if name.startswith("PG")]:
            os.environ.pop(name, None)


def open_unix(transport: Transport, path: str) -> Channel:
    """A channel to a unix socket on the host (`direct-streamlocal@openssh.com`, PROTOCOL of
    OpenSSH, section 2.4).

    paramiko knows the TCP kind only: it writes the common head, and the three fields of this kind
    are added on the way.
    """
    plain = type(transport)._send_user_message  # type: ignore[attr-defined]

    def with_path(message: Message) -> None:
        if (
            _KIND in message.asbytes()[: len(_KIND) + 5]
        ):  # other threads send on this transport meanwhile
            message.add_string(path)
            message.add_string("")
            message.add_int(0)
        plain(transport, message)

    with _opening:
        transport.__dict__["_send_user_message"] = with_path
        try:
            return transport.open_channel(_KIND.decode(), timeout=10)
        finally:
            del transport.__dict__["_send_user_message"]


@contextlib.contextmanager
def _forward_socket(link: Link, path: str) -> Iterator[tuple[str, list[str]]]:
    """A folder with a local socket that leads to `path` on the host, for as long as the context
    lasts; what sshd refused."""
    transport = link.transport()
    refusals: list[str] = []
    with _private_folder() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        try:
            server.bind(f"{folder}/{Path(path).name}")
        except OSError as error:
            raise _no_folder(error) from None
        server.listen(4)
        threading.Thread(
            target=_serve_socket, args=(server, transport, path, refusals), daemon=True
        ).start()
        try:
            yield folder, refusals
        finally:
            server.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def _private_folder() -> Iterator[str]:
    """A folder that only we may enter, by a short path: a socket's has room for 107 bytes
    (unix(7)), TMPDIR may be longer.

    Raises:
        RunbookError: nowhere can a folder be made.
    """
    try:
        made = tempfile.TemporaryDirectory(prefix="runbook-pg-")
    except OSError as error:
        raise _no_folder(error) from None
    with made as folder:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield f"/proc/self/fd/{handle}"
        finally:
            os.close(handle)


def _no_folder(error: OSError) -> RunbookError:
    return RunbookError(
        f"there is no folder for a temporary socket: {error.strerror or error}",
        "PostgreSQL is reached through one, on this machine; nothing was done",
        "df -h /tmp; or name a folder that can be written: TMPDIR=/dev/shm, then again",
    )


def _serve_socket(
    server: socket.socket, transport: Transport, path: str, refusals: list[str]
) -> None:
    import paramiko

    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        try:
            channel = open_unix(transport, path)
        except (paramiko.SSHException, OSError, EOFError) as error:
            refusals.append(_explain_refusal(path, error))
            client.close()
            continue
        for source, target in ((client, channel), (channel, client)):
            threading.Thread(target=copy_bytes, args=(source, target), daemon=True).start()


def _explain_refusal(path: str, error: BaseException) -> str:
    """Why the host's end of a channel was not opened, in a sentence."""
    import paramiko

    if not isinstance(error, paramiko.ChannelException):
        return str(error) or type(error).__name__
    if error.code == 1:  # OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        return (
            "sshd does not forward sockets (AllowStreamLocalForwarding and DisableForwarding in its"
            " configuration)"
        )
    return f"nothing answers at {path}"
