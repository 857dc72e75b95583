"""A server that says everything twice: to see that bytes go both ways."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def answering(server: socket.socket) -> Iterator[None]:
    """The listening `server` answers while the context lasts."""
    threading.Thread(target=_accept, args=(server,), daemon=True).start()
    yield
    server.shutdown(socket.SHUT_RDWR)


def _accept(server: socket.socket) -> None:
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_answer, args=(client,), daemon=True).start()


def _answer(client: socket.socket) -> None:
    with client:
        while block := client.recv(65536):
            client.sendall(block * 2)
