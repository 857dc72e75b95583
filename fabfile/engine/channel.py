"""One ssh channel from start to end, where paramiko's own way costs round trips or breaks the
connection."""

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
"""Bytes a host may send before it is read: so nothing waits for stderr to be read while stdout
is."""


class Result(NamedTuple):
    """What a script left: stdout, stderr, exit status (-1: it was killed)."""

    out: str
    err: str
    code: int


def start_command(transport: Any, channel: Channel, command: str) -> None:
    """Ask for `command` without asking for a yes: a round trip less, and paramiko would wait for
    the answer without end."""
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

    paramiko's `shutdown_write` sends it after it let go of the channel's lock, so the answer to a
    command that ended at once may overtake it; sshd then sees an EOF for a channel that is no more,
    and drops the whole connection.
    """
    with channel.lock:
        message = channel._send_eof()
        if message is not None:
            channel.transport._send_user_message(message)


@contextlib.contextmanager
def heard_out(channel: Channel) -> Iterator[None]:
    """Write to a host that may have given up: it says why in what is read next."""
    try:
        yield
    except OSError:
        if not channel.closed:
            raise


def stream_file(
    channel: Channel, file: BinaryIO, progress: Callable[[int, int], None] | None
) -> None:
    """All of `file` into the channel; `progress` gets (bytes sent, bytes in all)."""
    size = os.fstat(file.fileno()).st_size
    while block := file.read(262144):
        channel.sendall(block)
        if progress:
            progress(file.tell(), size)


class Answer:
    """Both streams of a channel, read through the frame of the script that runs there."""

    def __init__(self, channel: Channel, frame: Frame) -> None:
        self.channel = channel
        self.out, self.err = Stream(frame), Stream(frame)
        self._open = True

    def await_login(self, seconds: float) -> bool:
        """Whether the login shell runs our command within `seconds`, whatever it prints
        meanwhile."""
        end = time.monotonic() + seconds
        while not self.out.logged_in and self._open and time.monotonic() < end:
            with contextlib.suppress(TimeoutError):
                self._take(
                    min(0.2, max(0.01, end - time.monotonic()))
                )  # stderr may be flooded meanwhile
        return self.out.logged_in

    def await_begin(self, timeout: float) -> bool:
        """Whether our script begins.

        Raises:
            TimeoutError: nothing was heard for `timeout` seconds.
        """
        while not self.out.begun and self._open:
            self._take(timeout)
        return self.out.begun

    def finish(self, timeout: float) -> Result:
        """All of it: until our script's end, or the channel's.

        Raises:
            TimeoutError: both streams were silent for `timeout` seconds.
        """
        while self.out.code is None and self._open:
            self._take(timeout)
        self.channel.settimeout(timeout)
        while self.err.code is None and (block := self.channel.recv_stderr(65536)):
            self.err.feed(block)
        return Result(_text(self.out.text), mask_secrets(_text(self.err.text)), self._code(timeout))

    def take_lines(self, timeout: float) -> Iterator[str]:
        """The script's lines as they come, once it has begun, until its end.

        Raises:
            TimeoutError: nothing was heard for `timeout` seconds.
        """
        self.out.text[:0] = b"\n"
        while self._open:
            _, *lines, rest = (b"\n" + self.out.text[1:]).split(b"\n")
            self.out.cut(b"\n" + rest)  # with the newline that an end marker may begin with
            yield from map(_text, lines)
            if self.out.code is not None:
                return
            self._take(timeout)

    def exit_status(self) -> int | None:
        """How the channel's command ended, -1 when it was killed; None if it goes on."""
        if self._open or not self.channel.status_event.wait(1):
            return None
        return int(self.channel.exit_status)

    def output_before(self) -> tuple[str, str]:
        """What the host said before our script began, or in its place, on stdout and on stderr."""
        self._take_stderr()
        return self.out.words(), self.err.words()

    def _take(self, seconds: float) -> None:
        """The next bytes of stdout; on silence there, those of stderr."""
        self.channel.settimeout(seconds)
        try:
            block = self.channel.recv(65536)
        except TimeoutError:
            if not self._take_stderr():
                raise
            return
        self._take_stderr()
        self._open = bool(block)
        self.out.feed(block)

    def _take_stderr(self) -> bool:
        """What lies on stderr now; whether there was something."""
        ready = self.channel.recv_stderr_ready()
        if ready:
            self.err.feed(self.channel.recv_stderr(1 << 26))
        return ready

    def _code(self, timeout: float) -> int:
        """The script's own exit status; without one, it was killed or did not run: never 0."""
        if self.out.code is not None:
            return self.out.code
        if not self.channel.status_event.wait(timeout):
            raise TimeoutError
        return self.channel.exit_status or -1


def _text(data: bytes | bytearray) -> str:
    return data.decode(errors="replace")
