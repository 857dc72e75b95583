"""Open ssh connections: verify the pinned host key, limit every wait, and explain every failure.

Unsafe or slow defaults of Fabric (see tests/ssh) are changed here: unknown and changed host keys
are refused, the socket has TCP_NODELAY, and the user's own ssh configuration is not read.
"""

from __future__ import annotations

import hashlib
import logging
import socket
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from .dial import connect
from .errors import RunbookError, Unreachable
from .greeting import LONGEST
from .hops import dial_through
from .host import Address
from .host_certificate import find_certificate_fault
from .keepalive import expect_answers
from .known_hosts import HostKey, KnownHosts
from .refusal import add_banner, explain_refusal, explain_silence, lacks_key_type
from .slowness import warn_if_login_slow

CERTIFICATE = "-cert-v01@openssh.com"
"""The end of the name of a host key algorithm that shows a certificate."""
KEEPALIVE = 5
"""Seconds between keepalives, so that a lost host is noticed while a script prints nothing."""
SILENCE = 30
"""Seconds after which a host that acknowledges no packet (power cut, network cut) counts as lost,
even while a script runs there."""


def open_connection(a: Address) -> Any:
    """An open, authenticated `fabric.Connection`.

    Raises:
        Unreachable: nothing answers, the host key is not the pinned one, or the login is refused.
        RunbookError: our key file cannot be used.
    """
    import fabric

    # paramiko also raises its errors: the log would only add tracebacks.
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    known = KnownHosts.read(a.known_hosts)
    sock = dial(a)
    config = fabric.Config(overrides={"load_ssh_configs": False}, lazy=True)
    options = {"sock": sock, **_connect_options(a, known)}
    connection = fabric.Connection(
        a.host, user=a.user, port=a.port, config=config, connect_kwargs=options
    )
    policy = _PinnedKeyPolicy(a, known)
    # The client itself loads no known_hosts, so it calls the policy for every host.
    connection.client.set_missing_host_key_policy(policy)
    started = time.monotonic()
    try:
        connection.open()
    except Exception as error:
        transport = connection.client.get_transport()
        # `get_banner` forgets it when the host has hung up, as it does after a refusal by PAM.
        banner = transport and getattr(transport.auth_handler, "banner", None)
        connection.client.close()
        sock.close()
        refusal = explain_refusal(a, error, sock.first, host_verified=policy.verified)
        raise add_banner(a, refusal, banner) from None
    warn_if_login_slow(a, time.monotonic() - started)
    connection.transport.set_keepalive(KEEPALIVE)
    if a.via:  # TCP ends at the bastion, so it does not notice that the host is lost
        expect_answers(connection.transport, KEEPALIVE, SILENCE)
    return connection


def _connect_options(a: Address, known: KnownHosts) -> dict[str, Any]:
    """The options of paramiko: each wait is bounded, and a key of the site file is the only one."""
    waits = ("timeout", "banner_timeout", "auth_timeout", "channel_timeout")
    factory = partial(_transport, kinds=_wanted_kinds(a, known), timeout=a.timeout)
    options = {**dict.fromkeys(waits, a.timeout), "transport_factory": factory}
    if a.key is not None:
        options |= {"key_filename": str(a.key), "allow_agent": False, "look_for_keys": False}
    return options


def _wanted_kinds(a: Address, known: KnownHosts) -> list[str]:
    """The types of host key to ask `a` for: those that are pinned, and certificates."""
    kinds = [key.kind for key in known.pinned(a.entry)]
    return [*kinds, *([CERTIFICATE] if known.authorities(a.host, a.port) else [])]


class _PinnedKeyPolicy:
    """A policy for paramiko that accepts a host only by its pinned key, or by a certificate of a
    pinned authority."""

    def __init__(self, a: Address, known: KnownHosts) -> None:
        self.address, self.known = a, known
        self.verified = False
        """Whether the host has shown a pinned key. A later failure is about our login."""

    def missing_host_key(self, client: Any, entry: str, key: Any) -> None:
        """Refuse `key` unless it is pinned. paramiko demands this name.

        Raises:
            Unreachable: another key is pinned, or none is.
            RunbookError: known_hosts has a damaged line, which may be the pin.
        """
        a, shown = self.address, HostKey(key.get_name(), key.asbytes())
        pinned, authorities = self.known.pinned(a.entry), self.known.authorities(a.host, a.port)
        fault = ""
        if authorities:
            revoked = self.known.revoked(a.entry)
            fault = find_certificate_fault(key, a.host, authorities, revoked)
        if shown in pinned or (authorities and not fault):
            self.verified = True
            return
        if any(pin.kind == shown.kind for pin in pinned):
            raise Unreachable(
                f"{a.name} shows another host key than the pinned one (now {key_fingerprint(key)})",
                "another machine may intercept the connection, or the host was reinstalled",
                f"if you know why: fab -H {a.name} trust --replace",
            )
        if authorities:
            raise Unreachable(
                f"{a.name} is not the host of a pinned authority: {fault}",
                f"without a valid certificate we cannot verify which host answers at {a.host}",
                f"ssh-keygen -s AUTHORITY -h -I {a.name} -n {a.host} KEY.pub; or pin the key that"
                f" it has: fab -H {a.name} trust",
            )
        if damaged := self.known.damaged():
            raise RunbookError(
                f"{a.known_hosts} has a line that is not a host key: {damaged[:60]}",
                f"no other line pins {a.name}, so we cannot verify which host answers",
                f"fix that line, or pin the host again: fab -H {a.name} trust",
            )
        raise Unreachable(
            f"the host key of {a.name} is not pinned",
            f"without a pinned key we cannot verify which host answers at {a.host}",
            f"fab -H {a.name} trust",
        )


def _transport(sock: Any, *, kinds: Sequence[str], timeout: float, **options: Any) -> Any:
    """A paramiko transport that requests a host key of one of `kinds`, first a certificate.

    If paramiko knows none of `kinds`, it requests any key.
    """
    import paramiko

    transport = paramiko.Transport(sock, **options)
    transport.handshake_timeout = transport.banner_timeout = timeout
    offer = transport.get_security_options()
    plain = [name for name in offer.key_types if not name.endswith(CERTIFICATE)]
    requested = [name for name in plain if _key_type(name) in kinds]
    if CERTIFICATE in kinds:
        # A plain key, too: the error can then say what the host shows in place of a certificate.
        offer.key_types = [f"{name}{CERTIFICATE}" for name in plain] + (requested or plain)
    elif requested:
        offer.key_types = requested
    return transport


def _key_type(algorithm: str) -> str:
    """The type of key that a host key algorithm uses. RSA keys have several algorithms."""
    return "ssh-rsa" if algorithm.startswith("rsa-sha2-") else algorithm


def dial(a: Address) -> Any:
    """What leads to the ssh port of `a`: a socket, or a channel of its bastion.

    Raises:
        Unreachable: nothing answers, or a bastion on the way does not work.
    """
    return dial_through(a.via, a, open_connection) if a.via else dial_host(a)


def dial_host(a: Address) -> PromptSocket:
    """A TCP connection that sends without delay and notices a dead peer.

    Raises:
        Unreachable: nothing answers.
    """
    try:
        sock = connect(a.host, a.port, a.timeout)
    except OSError as error:
        raise explain_silence(a, error) from None
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENCE * 1000)
    return PromptSocket(sock)


class PromptSocket(socket.socket):
    """A socket that acknowledges every read at once. It takes over another socket.

    sshd leaves Nagle's algorithm on for scripts: it holds back a small packet until the packet
    before is acknowledged, and Linux delays acknowledgements by up to 40 ms. An answer has several
    small packets: the login marker, then two streams.
    """

    def __init__(self, sock: socket.socket) -> None:
        timeout = sock.gettimeout()
        super().__init__(sock.family, sock.type, sock.proto, fileno=sock.detach())
        self.settimeout(timeout)
        self.first = b""
        """The first bytes that arrived: how a host refuses us before it speaks ssh."""

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """As `socket.recv`."""
        data = super().recv(size, flags)
        if hasattr(socket, "TCP_QUICKACK"):  # Linux; it forgets the option after some packets
            self.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        if len(self.first) < LONGEST:
            self.first += data
        return data


def key_fingerprint(key: Any) -> str:
    """The SHA256 fingerprint of a host key, as ssh-keygen -l prints it."""
    import base64

    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"SHA256:{digest} ({key.get_name()})"


def host_key(a: Address, kind: str = "") -> Any:
    """The host key that `a` shows, read without a login (for `trust`).

    It is of type `kind`; None if the host has no key of that type.

    Raises:
        Unreachable: nothing answers there, or it is not ssh.
    """
    import paramiko

    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    sock = dial(a)
    transport = _transport(sock, kinds=[kind], timeout=a.timeout)
    try:
        transport.start_client(timeout=a.timeout)
        return transport.get_remote_server_key()
    except (paramiko.SSHException, OSError, EOFError) as error:
        if kind and lacks_key_type(error):
            return None
        raise explain_refusal(a, error, sock.first, host_verified=False) from None
    finally:
        transport.close()
