"""Reach a host through a bastion. All hosts behind a bastion share one connection to it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .channel_refusals import PROHIBITED, ChannelRefusals
from .errors import RunbookError, Unreachable
from .greeting import LONGEST
from .host import Address
from .refusal import connection_lost
from .shared_connection import SharedConnection

if TYPE_CHECKING:
    from paramiko import Channel

Open = Callable[[Address], Any]
"""Opens the connection to an address: `connection.open_connection`, which needs this module."""

_bastions: dict[Address, SharedConnection] = {}
"""For the whole process: a task may have several fleets, and logs in once."""
_lock = threading.Lock()


class Tunnel:
    """A channel of a bastion that leads to the ssh port of a host. paramiko uses it as a socket."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.first = b""
        """The first bytes that arrived: how a host refuses us before it speaks ssh."""

    def recv(self, size: int) -> bytes:
        """As `socket.recv`."""
        data = self._channel.recv(size)
        if len(self.first) < LONGEST:
            self.first += data
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)


class Bastion:
    """The open connection to a bastion."""

    def __init__(self, address: Address, connection: Any) -> None:
        self.address = address
        self.transport = connection.transport
        self.close = connection.close
        self._refusals = ChannelRefusals(self.transport)

    def open_tunnel(self, a: Address) -> Tunnel:
        """A tunnel to the ssh port of `a`.

        Raises:
            Unreachable: the bastion refuses, or `a` does not answer it.
            EOFError: the connection to the bastion has ended.
        """
        import paramiko

        try:
            channel: Channel = self.transport.open_channel(
                "direct-tcpip", (a.host, a.port), ("127.0.0.1", 0), timeout=a.timeout
            )
        except (paramiko.SSHException, OSError, EOFError) as error:
            if not self.transport.is_active():
                raise EOFError(str(error)) from None
            reason, words = self._refusals.take()
            if reason == PROHIBITED:
                raise _not_forwarded(self.address, a, words) from None
            raise _no_answer(self.address, a, words) from None
        channel.settimeout(a.timeout)
        return Tunnel(channel)


def dial_through(bastion: Address, a: Address, open_connection: Open) -> Tunnel:
    """A tunnel through `bastion` that leads to the ssh port of `a`.

    Raises:
        Unreachable: the bastion cannot be reached or does not forward, or `a` does not answer it.
        RunbookError: our key file for the bastion cannot be used.
    """
    with _lock:
        shared = _bastions.setdefault(
            bastion, SharedConnection(lambda: _open_bastion(bastion, open_connection))
        )
    for second_try in (False, True):
        opened: Bastion = shared.get()
        try:
            return opened.open_tunnel(a)
        except EOFError as error:
            shared.drop(opened)  # an idle connection may have died: try once more with a new one
            if second_try:
                raise _add_hosts(bastion, connection_lost(bastion.name, error)) from None
    raise AssertionError("unreachable")


def _open_bastion(bastion: Address, open_connection: Open) -> Bastion:
    try:
        return Bastion(bastion, open_connection(bastion))
    except RunbookError as error:
        raise _add_hosts(bastion, error) from None


def _add_hosts(bastion: Address, error: RunbookError) -> RunbookError:
    """`error` of the bastion, with the hosts that cannot be reached for that reason."""
    hosts = f"{', '.join(bastion.behind)} can be reached only through it"
    if hosts not in error.why:
        error.why = f"{error.why}; {hosts}"
    # A bastion is no host of the site: no task takes its name.
    error.next = error.next.replace(f"fab -H {bastion.name} ", "fab ")
    return error


def _not_forwarded(bastion: Address, a: Address, words: str) -> Unreachable:
    return Unreachable(
        f"{bastion.name} does not forward a connection to {a.name} ({a.host} port {a.port}):"
        f" {words}",
        "nothing was done; its sshd has AllowTcpForwarding no, or a PermitOpen without this host",
        f"on {bastion.name}, as root: sshd -T | grep -iE 'allowtcpforwarding|permitopen|"
        "disableforwarding'; allow it; then: systemctl reload ssh",
    )


def _no_answer(bastion: Address, a: Address, words: str) -> Unreachable:
    reason = words.lower() or f"does not answer within {a.timeout:g} s (ssh.timeout)"
    return Unreachable(
        f"{a.name} ({a.host} port {a.port}) cannot be reached from {bastion.name}: {reason}",
        f"nothing was done on {a.name}; the bastion itself works",
        f"{bastion.ssh} ssh-keyscan -p {a.port} {a.host}; check that {a.name} is up and that the"
        " site file has its address",
    )
