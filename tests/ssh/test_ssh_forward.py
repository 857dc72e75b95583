"""The database's socket through the link: no port is opened, and other threads' messages stay whole."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import paramiko
import pytest
from sshhost import Host, until

from fabfile.engine import pglink
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

        def answer(client: socket.socket) -> None:
            with client:
                while block := client.recv(65536):
                    client.sendall(block * 2)

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(client,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield PATH
        server.shutdown(socket.SHUT_RDWR)


def test_a_channel_to_a_unix_socket(link: Link, echo: str) -> None:
    channel = pglink.open_unix(link.transport(), echo)
    channel.settimeout(5)
    channel.sendall(b"hello")
    assert channel.recv(100) == b"hellohello"
    channel.close()


def test_an_absent_socket_is_an_exception_and_leaves_the_connection_usable(link: Link) -> None:
    with pytest.raises(paramiko.ChannelException):
        pglink.open_unix(link.transport(), "/tmp/absent.sock")
    assert link.run("echo fine").out == "fine\n"


def test_other_threads_may_talk_meanwhile(link: Link, echo: str) -> None:
    """The path is added to the one message it belongs to, whoever else sends on this transport."""
    transport = link.transport()

    def converse(number: int) -> bytes:
        channel = pglink.open_unix(transport, echo)
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
    with pglink._forwarded(link, echo) as (folder, _):
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
        pytest.raises(RunbookError, match="cannot be reached: nothing answers at /var/run/p") as failure,
        pglink.connect(link, "app"),
    ):
        pytest.fail("connected to nothing")
    assert failure.value.why == "the database step did not run"
    assert failure.value.next.startswith("fab -H one deploy")


def test_file_descriptors_are_given_back(link: Link, echo: str) -> None:
    def once() -> None:
        with pglink._forwarded(link, echo) as (folder, _), socket.socket(socket.AF_UNIX) as client:
            client.connect(f"{folder}/echo.sock")
            client.sendall(b"x")
            assert client.recv(2)

    once()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        once()
    until(lambda: len(os.listdir("/proc/self/fd")) <= before, "they are closed")
