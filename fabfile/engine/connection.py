"""The way to a host: a pinned host key, an end to every wait, and one sentence for whatever goes
wrong on it.

Each default of Fabric that bites (see tests/ssh) is undone here: unknown and changed host keys are
refused, the socket has TCP_NODELAY, the user's own ssh configuration is not read.
"""

from __future__ import annotations

import hashlib
import logging
import socket
from collections.abc import Sequence
from functools import partial
from typing import Any

from .errors import RunbookError, Unreachable
from .host import Address
from .known_hosts import HostKey, KnownHosts
from .refusal import add_banner, explain_refusal, lacks_key_type

KEEPALIVE = 5
"""Seconds between two signs of life, so that silence is noticed while a script runs quietly."""
SILENCE = 30
"""Seconds after which a host that acknowledges nothing (power cut, network cut) counts as gone,
whatever is running there."""


def open_connection(a: Address) -> Any:
    """An open, authenticated `fabric.Connection`.

    Raises:
        Unreachable: nothing answers there, it is not the host that was pinned, or it refuses us.
        RunbookError: our own key file cannot be used.
    """
    import fabric

    logging.getLogger("paramiko").setLevel(
        logging.CRITICAL
    )  # its errors reach us as exceptions, without tracebacks
    known = KnownHosts.read(a.known_hosts)
    sock = dial_host(a)
    options: dict[str, Any] = {
        "sock": sock,
        "timeout": a.timeout,
        "banner_timeout": a.timeout,
        "auth_timeout": a.timeout,
        "channel_timeout": a.timeout,
        "transport_factory": partial(
            _transport, kinds=[key.kind for key in known.pinned(a.entry)], timeout=a.timeout
        ),
    }
    if a.key is not None:
        options |= {"key_filename": str(a.key), "allow_agent": False, "look_for_keys": False}
    config = fabric.Config(overrides={"load_ssh_configs": False}, lazy=True)
    connection = fabric.Connection(
        a.host, user=a.user, port=a.port, config=config, connect_kwargs=options
    )
    policy = _Pinned(a, known)
    connection.client.set_missing_host_key_policy(
        policy
    )  # asked each time: the client itself knows no host
    try:
        connection.open()
    except Exception as error:
        transport = connection.client.get_transport()
        banner = transport and transport.get_banner()
        connection.client.close()
        sock.close()
        raise add_banner(explain_refusal(a, error, host_verified=policy.verified), banner) from None
    connection.transport.set_keepalive(KEEPALIVE)
    return connection


class _Pinned:
    """Lets in a host that shows a pinned key. (A policy of paramiko's.)"""

    def __init__(self, a: Address, known: KnownHosts) -> None:
        self.address, self.known = a, known
        self.verified = False
        """The host has shown a pinned key: what fails from now on is about us."""

    def missing_host_key(self, client: Any, entry: str, key: Any) -> None:
        """Refuse `key` unless it is pinned."""
        a, shown = self.address, HostKey(key.get_name(), key.asbytes())
        pinned = self.known.pinned(a.entry)
        if shown in pinned:
            self.verified = True
            return
        if any(pin.kind == shown.kind for pin in pinned):
            raise Unreachable(
                f"{a.name} shows another host key than the pinned one (now {key_fingerprint(key)})",
                "somebody may sit between you and the host, or it was reinstalled",
                f"if you know why: fab -H {a.name} trust --replace",
            )
        if damaged := self.known.damaged():
            raise RunbookError(
                f"{a.known_hosts} holds a line that is no host key: {damaged[:60]}",
                f"no other line pins {a.name}, and without a pin nobody knows who answers",
                f"fix that line, or pin the host again: fab -H {a.name} trust",
            )
        raise Unreachable(
            f"the host key of {a.name} is not pinned",
            f"without it nobody knows who answers at {a.host}",
            f"fab -H {a.name} trust",
        )


def _transport(sock: socket.socket, *, kinds: Sequence[str], timeout: float, **options: Any) -> Any:
    """A paramiko transport that asks the host for a key of one of `kinds`; for any, if paramiko
    knows none of them."""
    import paramiko

    transport = paramiko.Transport(sock, **options)
    transport.handshake_timeout = transport.banner_timeout = timeout
    offer = transport.get_security_options()
    asked = [name for name in offer.key_types if _kind(name) in kinds]
    if asked:
        offer.key_types = asked
    return transport


def _kind(algorithm: str) -> str:
    """The type of key that a host key algorithm works with: RSA has several."""
    return "ssh-rsa" if algorithm.startswith("rsa-sha2-") else algorithm


def dial_host(a: Address) -> socket.socket:
    """A TCP connection that sends at once and notices a dead peer.

    Raises:
        Unreachable: nothing answers.
    """
    try:
        sock = socket.create_connection((a.host, a.port), timeout=a.timeout)
    except OSError as error:
        slow = f"does not answer within {a.timeout:g} s (ssh.timeout)"
        word = slow if isinstance(error, TimeoutError) else (error.strerror or str(error)).lower()
        raise Unreachable(
            f"{a.name} ({a.host} port {a.port}) cannot be reached: {word}",
            "nothing was done on it",
            f"ping {a.host}; is it up, is the address in the site file right?",
        ) from None
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENCE * 1000)
    return PromptSocket(sock)


class PromptSocket(socket.socket):
    """Takes over a socket, and acknowledges at once what it reads.

    sshd leaves Nagle's algorithm on for scripts: it holds a small packet back until the one before
    is acknowledged, which Linux puts off for up to 40 ms. An answer has several: the login's sign
    of life, then two streams.
    """

    def __init__(self, sock: socket.socket) -> None:
        timeout = sock.gettimeout()
        super().__init__(sock.family, sock.type, sock.proto, fileno=sock.detach())
        self.settimeout(timeout)

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """As every socket's."""
        data = super().recv(size, flags)
        if hasattr(socket, "TCP_QUICKACK"):  # Linux; it forgets the option after some packets
            self.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return data


def key_fingerprint(key: Any) -> str:
    """A host key's SHA256 fingerprint as ssh-keygen -l prints it."""
    import base64

    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"SHA256:{digest} ({key.get_name()})"


def host_key(a: Address, kind: str = "") -> Any:
    """The host key that answers at `a`, without logging in (for `trust`): of type `kind`, None if
    it has none of these.

    Raises:
        Unreachable: nothing answers there, or not ssh.
    """
    import paramiko

    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    transport = _transport(dial_host(a), kinds=[kind], timeout=a.timeout)
    try:
        transport.start_client(timeout=a.timeout)
        return transport.get_remote_server_key()
    except (paramiko.SSHException, OSError, EOFError) as error:
        if kind and lacks_key_type(error):
            return None
        raise explain_refusal(a, error, host_verified=False) from None
    finally:
        transport.close()
