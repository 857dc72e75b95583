"""Connect to a name or an address within a limited time."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

from .addresses import is_ip


def connect(host: str, port: int, timeout: float) -> socket.socket:
    """A TCP connection, after at most `timeout` seconds for the name and its addresses together.

    Raises:
        OSError: no address of the host answers, or the name is unknown.
    """
    if is_ip(host):
        return socket.create_connection((host, port), timeout=timeout)
    end = time.monotonic() + timeout
    found = look_up(host, port, timeout)
    for left, (*_, where) in zip(range(len(found), 0, -1), found, strict=True):
        try:
            # A dead address must not use up the time of the others.
            share = max(0.1, (end - time.monotonic()) / left)
            return socket.create_connection((str(where[0]), port), timeout=share)
        except OSError as error:
            failure = error
    raise failure


def look_up(host: str, port: int, timeout: float) -> list[tuple[Any, ...]]:
    """The addresses of `host`, as `socket.getaddrinfo` returns them.

    Raises:
        OSError: the name is unknown, or no name server answers within `timeout` seconds.
    """
    results: list[list[tuple[Any, ...]] | OSError] = []

    def ask() -> None:
        try:
            results.append(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except OSError as error:
            results.append(error)
        except UnicodeError:  # a label of more than 63 letters
            results.append(OSError(f"{host} cannot be a name"))

    asking = threading.Thread(target=ask, daemon=True)  # the resolver has no time-out of ours
    asking.start()
    asking.join(timeout)
    if not results:
        raise OSError(f"no name server answers for {host} within {timeout:g} s")
    if isinstance(results[0], OSError):
        raise results[0]
    return results[0]
