"""Forward a port of this machine to a port of a host, through the ssh connection."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paramiko import Channel

    from .link import Link

LOOPBACK = "127.0.0.1"


@contextlib.contextmanager
def forward_port(link: Link, port: int) -> Iterator[int]:
    """Forward a free loopback port of this machine to `port` of the host's loopback.

    The forward lasts as long as the context. Yields the local port.

    Raises:
        RunbookError: the host cannot be reached.
    """
    transport = link.transport()

    def open_port(client: socket.socket) -> Channel:
        return transport.open_channel(
            "direct-tcpip", (LOOPBACK, port), client.getpeername(), timeout=10
        )

    with (
        socket.create_server((LOOPBACK, 0), backlog=16) as server,
        # The caller sees a closed connection, and reports it.
        serve_connections(server, open_port, on_refusal=lambda error: None),
    ):
        yield server.getsockname()[1]


@contextlib.contextmanager
def serve_connections(
    server: socket.socket,
    open_channel: Callable[[socket.socket], Channel],
    *,
    on_refusal: Callable[[BaseException], object],
) -> Iterator[None]:
    """Connect each client of the listening `server` to a channel of its own, while the context
    lasts.

    A client whose channel cannot be opened is closed, and `on_refusal` gets the error.
    """
    threading.Thread(
        target=_accept_clients, args=(server, open_channel, on_refusal), daemon=True
    ).start()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)


def _accept_clients(
    server: socket.socket,
    open_channel: Callable[[socket.socket], Channel],
    on_refusal: Callable[[BaseException], object],
) -> None:
    import paramiko

    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        try:
            channel = open_channel(client)
        except (paramiko.SSHException, OSError, EOFError) as error:
            on_refusal(error)
            client.close()
            continue
        for source, target in ((client, channel), (channel, client)):
            threading.Thread(target=_copy_bytes, args=(source, target), daemon=True).start()


def _copy_bytes(source: Any, target: Any) -> None:
    """Copy until either side ends, then close both.

    A channel gets `close` only: its `shutdown` can break the connection (see `channel.end_input`).
    """
    with contextlib.suppress(OSError, EOFError):
        while block := source.recv(65536):
            target.sendall(block)
    for side in (source, target):
        with contextlib.suppress(OSError, EOFError):
            if isinstance(side, socket.socket):
                side.shutdown(socket.SHUT_RDWR)
            side.close()
