"""One ssh channel from start to end, where paramiko's own way costs round trips or breaks the connection."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from .secrecy import mask

if TYPE_CHECKING:
    from paramiko import Channel

WINDOW = 2**31 - 1
"""Bytes a host may send before it is read: so nothing waits for stderr to be read while stdout is."""


class Result(NamedTuple):
    """What a script left: stdout, stderr, exit status (-1: it was killed)."""

    out: str
    err: str
    code: int


def start(transport: Any, channel: Channel, command: str) -> None:
    """Ask for `command` without asking for a yes: a round trip less, and paramiko would wait for the answer without end."""
    import paramiko
    from paramiko.common import cMSG_CHANNEL_REQUEST

    request = paramiko.Message()
    request.add_byte(cMSG_CHANNEL_REQUEST)
    request.add_int(channel.remote_chanid)
    request.add_string("exec")
    request.add_boolean(False)
    request.add_string(command)
    transport._send_user_message(request)


def end_input(channel: Any) -> None:
    """Tell the host that no more input comes.

    paramiko's `shutdown_write` sends it after it let go of the channel's lock, so the answer to a command that ended at once may
    overtake it; sshd then sees an EOF for a channel that is no more, and drops the whole connection.
    """
    with channel.lock:
        message = channel._send_eof()
        if message is not None:
            channel.transport._send_user_message(message)


def stream(channel: Channel, file: BinaryIO, progress: Callable[[int, int], None] | None) -> None:
    """All of `file` into the channel; `progress` gets (bytes sent, bytes in all)."""
    size = os.fstat(file.fileno()).st_size
    while block := file.read(262144):
        channel.sendall(block)
        if progress:
            progress(file.tell(), size)


def drain(channel: Channel, timeout: float) -> Result:
    """Both streams to their end, and the exit status.

    Raises:
        TimeoutError: both were silent for `timeout` seconds.
    """
    out, err = bytearray(), bytearray()
    while True:
        try:
            block = channel.recv(65536)
        except TimeoutError:
            if not channel.recv_stderr_ready():
                raise
            err += channel.recv_stderr(1 << 20)
            continue
        if not block:
            break
        out += block
    while block := channel.recv_stderr(65536):
        err += block
    if not channel.status_event.wait(timeout):
        raise TimeoutError
    return Result(out.decode(errors="replace"), mask(err.decode(errors="replace")), channel.exit_status)
