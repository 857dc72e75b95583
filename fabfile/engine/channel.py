"""Run one command on an ssh channel and read its answer.

It replaces parts of paramiko that cost round trips or break the connection.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from .frame import Frame, Stream
from .secret import mask_secrets

if TYPE_CHECKING:
    from paramiko import Channel

WINDOW = 2**31 - 1
"""Bytes that a host may send before we read them. It is the maximum, so that a script never blocks
on a full stderr while we read its stdout."""


class Result(NamedTuple):
    """The result of a script: stdout, stderr, exit status (-1: it was killed)."""

    out: str
    err: str
    code: int


def start_command(transport: Any, channel: Channel, command: str) -> None:
    """Start `command` on `channel` without waiting for the host's confirmation.

    This saves a round trip, and paramiko would wait for the confirmation without a time-out.
    """
    import paramiko
    from paramiko.common import cMSG_CHANNEL_REQUEST

    request = paramiko.Message()
    request.add_byte(cMSG_CHANNEL_REQUEST)
    request.add_int(channel.remote_chanid)
    request.add_string("exec")
    request.add_boolean(False)  # want_reply, RFC 4254 section 6.5
    request.add_string(command)
    transport._send_user_message(request)


def end_input(channel: Any) -> None:
    """Send EOF: the host gets no more input.

    paramiko's `shutdown_write` sends the EOF after it has released the channel's lock. If the
    command ends at once, the channel may be closed first. sshd then gets an EOF for a closed
    channel, and drops the whole connection.
    """
    with channel.lock:
        message = channel._send_eof()
        if message is not None:
            channel.transport._send_user_message(message)


@contextlib.contextmanager
def ignore_closed(channel: Channel) -> Iterator[None]:
    """Within this context, ignore write errors if the host has closed the channel.

    The reason is in the host's output, which is read next.
    """
    try:
        yield
    except OSError:
        if not channel.closed:
            raise


def stream_file(
    channel: Channel, file: BinaryIO, progress: Callable[[int, int], None] | None
) -> None:
    """Send all of `file` to the channel; `progress` gets (bytes sent, total bytes)."""
    size = os.fstat(file.fileno()).st_size
    while block := file.read(262144):
        channel.sendall(block)
        if progress:
            progress(file.tell(), size)


class Answer:
    """Reads stdout and stderr of the script that runs on a channel, without its frame."""

    def __init__(self, channel: Channel, frame: Frame) -> None:
        self.channel = channel
        self.out, self.err = Stream(frame), Stream(frame)
        self._open = True

    def await_login(self, seconds: float) -> bool:
        """Whether the login shell runs our command within `seconds`, whatever it prints before."""
        deadline = time.monotonic() + seconds
        while not self.out.logged_in and self._open and time.monotonic() < deadline:
            # Short reads: a host that floods stderr would otherwise hide the deadline.
            remaining = deadline - time.monotonic()
            with contextlib.suppress(TimeoutError):
                self._read_next(min(0.2, max(0.01, remaining)))
        return self.out.logged_in

    def await_begin(self, timeout: float) -> bool:
        """Wait for our script; whether it began before the channel closed.

        Raises:
            TimeoutError: the host sent nothing for `timeout` seconds.
        """
        while not self.out.begun and self._open:
            self._read_next(timeout)
        return self.out.begun

    def finish(self, timeout: float) -> Result:
        """Read until our script or the channel ends; the result.

        Raises:
            TimeoutError: both streams were silent for `timeout` seconds.
        """
        while self.out.code is None and self._open:
            self._read_next(timeout)
        self.channel.settimeout(timeout)
        while self.err.code is None and (block := self.channel.recv_stderr(65536)):
            self.err.feed(block)
        return Result(
            _decode(self.out.text), mask_secrets(_decode(self.err.text)), self._exit_code(timeout)
        )

    def take_lines(self, timeout: float) -> Iterator[str]:
        """Yield the script's lines as they arrive, from its begin to its end.

        Raises:
            TimeoutError: the host sent nothing for `timeout` seconds.
        """
        self.out.text[:0] = b"\n"
        while self._open:
            _, *lines, rest = (b"\n" + self.out.text[1:]).split(b"\n")
            self.out.replace_text(b"\n" + rest)  # the end marker begins with this newline
            yield from map(_decode, lines)
            if self.out.code is not None:
                return
            self._read_next(timeout)

    def exit_status(self) -> int | None:
        """The exit status of the channel's command, -1 if it was killed; None if it still runs."""
        if self._open or not self.channel.status_event.wait(1):
            return None
        return int(self.channel.exit_status)

    def output_before(self) -> tuple[str, str]:
        """What the host printed before our script, or in its place, on stdout and on stderr."""
        self._read_stderr()
        return self.out.noise_text(), self.err.noise_text()

    def _read_next(self, seconds: float) -> None:
        """Read the next bytes of stdout; if stdout is silent for `seconds`, those of stderr.

        Raises:
            TimeoutError: both are silent.
        """
        self.channel.settimeout(seconds)
        try:
            block = self.channel.recv(65536)
        except TimeoutError:
            if not self._read_stderr():
                raise
            return
        self._read_stderr()
        self._open = bool(block)
        self.out.feed(block)

    def _read_stderr(self) -> bool:
        """Read what has arrived on stderr; whether there was anything."""
        ready = self.channel.recv_stderr_ready()
        if ready:
            self.err.feed(self.channel.recv_stderr(1 << 26))
        return ready

    def _exit_code(self, timeout: float) -> int:
        """The script's exit status. A script without one was killed or did not run: never 0."""
        if self.out.code is not None:
            return self.out.code
        if not self.channel.status_event.wait(timeout):
            raise TimeoutError
        return self.channel.exit_status or -1


def _decode(data: bytes | bytearray) -> str:
    return data.decode(errors="replace")
