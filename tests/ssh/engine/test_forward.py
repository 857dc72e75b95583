"""The database's socket through the link: no port is opened, and other threads' messages stay
whole."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import paramiko
import pytest
from echo_server import answering
from sshhost import Host, until

from fabfile.engine import postgres
from fabfile.engine.errors import RunbookError
from fabfile.engine.link import Link

PATH = "/tmp/echo.sock"


@pytest.fixture
def echo(host: Host) -> Iterator[str]:
    """A unix socket on the host that says everything twice; its path there."""
    local = host.files / PATH[1:]
    local.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(local))
        local.chmod(0o777)
        server.listen(16)
        with answering(server):
            yield PATH


def test_a_channel_to_a_unix_socket(link: Link, echo: str) -> None:
    channel = postgres.open_unix(link.transport(), echo)
    channel.settimeout(5)
    channel.sendall(b"hello")
    assert channel.recv(100) == b"hellohello"
    channel.close()


def test_an_absent_socket_is_an_exception_and_leaves_the_connection_usable(link: Link) -> None:
    with pytest.raises(paramiko.ChannelException):
        postgres.open_unix(link.transport(), "/tmp/absent.sock")
    assert link.run("echo fine").out == "fine\n"


def test_other_threads_may_talk_meanwhile(link: Link, echo: str) -> None:
    """The path is added to the one message it belongs to, whoever else sends on this transport."""
    transport = link.transport()

    def converse(number: int) -> bytes:
        channel = postgres.open_unix(transport, echo)
        channel.settimeout(5)
        channel.sendall(b"%d," % number)
        channel.shutdown_write()
        answer = b"".join(iter(lambda: channel.recv(100), b""))
        channel.close()
        return answer

    with ThreadPoolExecutor(8) as pool:
        texts = pool.map(lambda number: link.run(f"echo {number}").out, range(40))
        answers = pool.map(converse, range(40))
        assert list(texts) == [f"{number}\n" for number in range(40)]
        assert list(answers) == [b"%d,%d," % (number, number) for number in range(40)]


def test_a_local_socket_that_leads_there_and_goes_again(link: Link, echo: str) -> None:
    before = threading.active_count()
    with postgres._forward_socket(link, echo) as (folder, _):
        assert Path(folder).stat().st_mode & 0o777 == 0o700
        for _ in range(3):
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(5)
                client.connect(f"{folder}/echo.sock")
                client.sendall(b"x" * 100_000)
                answer = b""
                while len(answer) < 200_000:
                    answer += client.recv(65536)
                assert answer == b"x" * 200_000
    assert not Path(folder).exists()
    until(lambda: threading.active_count() <= before + 1, "its threads end")


def test_no_database_is_one_sentence(link: Link) -> None:
    with (
        pytest.raises(
            RunbookError, match="cannot be reached: nothing answers at /var/run/p"
        ) as failure,
        postgres.connect_database(link, "app"),
    ):
        pytest.fail("connected to nothing")
    assert failure.value.why == "the database step did not run"
    assert failure.value.next.startswith("fab -H one deploy")


PG_VARIABLES = {
    "PGHOSTADDR": "127.0.0.1",
    "PGHOST": "192.0.2.1",
    "PGPORT": "6543",
    "PGSERVICE": "shop",
    "PGSERVICEFILE": "/nonexistent",
    "PGUSER": "anna",
    "PGDATABASE": "shop",
    "PGCHANNELBINDING": "require",
    "PGREQUIREAUTH": "none,!scram-sha-256",
    "PGSSLMODE": "verify-full",
    "PGGSSENCMODE": "require",
    "PGTARGETSESSIONATTRS": "standby",
    "PGOPTIONS": "-c statement_timeout=1",
    "PGPASSFILE": "/nonexistent",
    "PGCLIENTENCODING": "LATIN1",
    "PGTZ": "Mars",
}


@pytest.fixture
def server(host: Host, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """Answers each client on PostgreSQL's socket with "in recovery"; the startup messages it
    got."""
    got: list[bytes] = []
    local = host.files / "tmp/.s.PGSQL.5432"
    local.unlink(missing_ok=True)
    monkeypatch.setattr(postgres, "SOCKET", "/tmp/.s.PGSQL.5432")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(local))
        local.chmod(0o777)
        listener.listen(4)

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    got.append(client.recv(65536))
                    words = b"SFATAL\0VFATAL\0C57P03\0Mthe right server is in recovery mode\0\0"
                    client.sendall(b"E" + (len(words) + 4).to_bytes(4, "big") + words)

        threading.Thread(target=serve, daemon=True).start()
        yield got
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("name", [*PG_VARIABLES, "all"])
def test_the_operators_pg_variables_reach_no_connection(
    link: Link, server: list[bytes], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for variable, value in PG_VARIABLES.items():
        if name in (variable, "all"):
            monkeypatch.setenv(variable, value)
    with (
        pytest.raises(
            RunbookError,
            match=r"one: PostgreSQL does not accept connections yet .*the right server",
        ),
        postgres.connect_database(link, "bingo"),
    ):
        pytest.fail("that server lets nobody in")
    (startup,) = server
    words = startup[8:].rstrip(b"\0").split(b"\0")
    sent = dict(zip(words[::2], words[1::2], strict=True))
    assert sent[b"user"] == b"postgres"
    assert sent[b"database"] == b"bingo"
    assert sent[b"client_encoding"].lower() == b"utf8"
    assert b"lock_timeout=1500" in sent[b"options"]
    assert b"statement_timeout=2000" in sent[b"options"]
    assert b"timezone" not in {key.lower() for key in sent}


@pytest.fixture
def new_tmpdir(monkeypatch: pytest.MonkeyPatch) -> None:
    """TMPDIR is read anew in the test, and afterwards."""
    monkeypatch.setattr(tempfile, "tempdir", None)


@pytest.mark.parametrize("name", ["x" * 100, "ü" * 120, "absent"])
def test_any_tmpdir_will_do(
    link: Link,
    server: list[bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    new_tmpdir: None,
    name: str,
) -> None:
    """A socket's path has room for 107 bytes; another folder is taken when TMPDIR is none."""
    folder = tmp_path / name
    if name != "absent":
        folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    with (
        pytest.raises(RunbookError, match="the right server"),
        postgres.connect_database(link, "bingo"),
    ):
        pytest.fail("that server lets nobody in")
    assert len(server) == 1
    assert name == "absent" or not list(folder.iterdir())


def test_no_folder_at_all_is_one_sentence(
    link: Link, monkeypatch: pytest.MonkeyPatch, new_tmpdir: None
) -> None:
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/nonexistent"])
    with pytest.raises(
        RunbookError, match="no folder for a temporary socket: No usable"
    ) as failure:
        postgres.connect_database(link, "bingo").__enter__()
    assert "TMPDIR=" in failure.value.next


def test_file_descriptors_are_given_back(link: Link, echo: str) -> None:
    def once() -> None:
        with (
            postgres._forward_socket(link, echo) as (folder, _),
            socket.socket(socket.AF_UNIX) as client,
        ):
            client.connect(f"{folder}/echo.sock")
            client.sendall(b"x")
            assert client.recv(2)

    once()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        once()
    until(lambda: len(os.listdir("/proc/self/fd")) <= before, "they are closed")
