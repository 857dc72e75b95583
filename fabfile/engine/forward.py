"""Forward a port of this machine to a port of a host, through the ssh connection."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paramiko.transport import Transport

    from .link import Link

LOOPBACK = "127.0.0.1"


@contextlib.contextmanager
def forward_port(link: Link, port: int) -> Iterator[int]:
    """Forward a free loopback port of this machine to `port` of the host's loopback.

    The forward lasts as long as the context. Yields the local port.

    Raises:
        RunbookError: the host cannot be reached.
    """
    with socket.create_server((LOOPBACK, 0), backlog=16) as server:
        transport = link.transport()
        threading.Thread(target=_serve_port, args=(server, transport, port), daemon=True).start()
        try:
            yield server.getsockname()[1]
        finally:
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)


def _serve_port(server: socket.socket, transport: Transport, port: int) -> None:
    import paramiko

    while True:
        try:
            client, peer = server.accept()
        except OSError:
            return
        try:
            channel = transport.open_channel("direct-tcpip", (LOOPBACK, port), peer, timeout=10)
        except (paramiko.SSHException, OSError, EOFError):
            client.close()  # the caller sees a closed connection, and reports it
            continue
        for source, target in ((client, channel), (channel, client)):
            threading.Thread(target=copy_bytes, args=(source, target), daemon=True).start()


def copy_bytes(source: Any, target: Any) -> None:
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
