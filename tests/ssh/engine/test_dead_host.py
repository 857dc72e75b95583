"""A host that is dead is waited for once, whatever is asked of it at the same time."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fabfile.engine.errors import Unreachable
from fabfile.engine.link import Address, Link

TIMEOUT = 1.0


class Mute:
    """Takes connections, never answers, and counts them."""

    def __init__(self, server: socket.socket) -> None:
        self.server, self.clients = server, []  # type: ignore[var-annotated]

    def serve(self) -> None:
        while True:
            try:
                self.clients.append(self.server.accept()[0])
            except OSError:
                return


@pytest.fixture
def mute() -> Iterator[Mute]:
    with socket.create_server(("127.77.0.9", 0)) as server:
        host = Mute(server)
        threading.Thread(target=host.serve, daemon=True).start()
        yield host
        server.shutdown(socket.SHUT_RDWR)


def test_threads_that_wait_for_one_connection_share_its_failure(mute: Mute, tmp_path: Path) -> None:
    address, port = mute.server.getsockname()
    link = Link(Address("dead", address, port, "root", None, tmp_path / "known", TIMEOUT))

    def ask(_: int) -> str:
        with pytest.raises(Unreachable) as caught:
            link.read(["true"])
        return str(caught.value)

    started = time.monotonic()
    with ThreadPoolExecutor(5) as pool:
        sentences = set(pool.map(ask, range(5)))
    assert len(sentences) == 1
    assert len(mute.clients) == 1
    assert time.monotonic() - started < 4 * TIMEOUT

    ask(0)
    assert len(mute.clients) == 2, "a later question tries again"
