"""One ssh connection to one host: a script goes to its root shell on a channel of its own, and its
answer comes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .channel import WINDOW, Answer, Result, end_input, heard_out, start_command
from .connection import open_connection
from .frame import Frame
from .host import Address
from .login import explain_no_start
from .refusal import connection_lost
from .scripts import report_script
from .shell import wrap_script
from .slowness import warn_once

if TYPE_CHECKING:
    from paramiko import Channel, Transport


class Conversation:
    """The connection, opened at first use. Threads may share it: each script has a channel of its
    own."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.name = address.name
        self.sessions = 0
        """Channels opened so far: what a no-op costs."""
        self.delay = 0.0
        """Seconds that sudo took at most to begin a script of ours; every limit on the host must
        leave room for it."""
        self._connection: Any = None
        self._opening = threading.Lock()
        self._root = "/bin/sh" if address.user == "root" else "sudo -n /bin/sh"

    def transport(self) -> Transport:
        """The open paramiko transport, for forwarding."""
        transport: Transport = self._open_once().transport
        return transport

    def close(self) -> None:
        """Close the connection; it opens again when used."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _take_lines(self, script: str, silence: float) -> Iterator[str]:
        """Run `script`; its lines as they come, until it or the caller ends."""
        with report_script(self.name, "follow", script) as sent:
            frame = Frame()
            text = frame.around(wrap_script(script))
            _, channel = self._open_channel(frame.command(self._root), silence)
            try:
                answer = Answer(channel, frame)
                self._submit(channel, text)
                end_input(channel)
                self._await_begin(answer, silence)
                yield from answer.take_lines(silence)
                sent.code = answer.out.code
            except (OSError, EOFError) as error:
                raise connection_lost(self.name, error) from None
            finally:
                channel.close()

    def _converse(
        self,
        action: str,
        script: str,
        timeout: float,
        send: Callable[[Channel], None] | None = None,
    ) -> Result:
        """Run `script`, take its answer, and report both as `action`; `send` writes what it reads
        from its stdin, after the script itself."""
        with report_script(self.name, action, script) as sent:
            result = self._exchange(script, timeout, send)
            sent.out, sent.err, sent.code = result
        return result

    def _exchange(
        self, script: str, timeout: float, send: Callable[[Channel], None] | None
    ) -> Result:
        frame = Frame()
        text = frame.around(script)
        _, channel = self._open_channel(frame.command(self._root, text if send else ""), timeout)
        answer = Answer(channel, frame)
        try:
            self._submit(channel, text)
            if send:
                self._await_login(answer)
                channel.settimeout(timeout)
                with heard_out(channel):
                    send(channel)
            end_input(channel)
            self._await_begin(answer, timeout)
            result = answer.finish(timeout)
        except (OSError, EOFError) as error:
            raise connection_lost(self.name, error) from None
        finally:
            channel.close()
        if result.code < 0 and not channel.get_transport().is_active():
            raise connection_lost(self.name, EOFError("the host closed it"))
        warn_once(self.name, self.delay, answer.err.words())
        return result

    def _submit(self, channel: Channel, text: str) -> None:
        """Send a script. A login that takes no more of it shows itself when its answer is
        awaited."""
        channel.settimeout(self.address.timeout)
        with suppress(TimeoutError), heard_out(channel):
            channel.sendall(text.encode())

    def _await_login(self, answer: Answer) -> None:
        """Until the login files are done, for `ssh.timeout` seconds.

        Raises:
            Unreachable, RunbookError: they do not let us in (see login.py).
            EOFError: the host closed the connection.
        """
        if not answer.await_login(self.address.timeout):
            raise self._refused(answer)

    def _await_begin(self, answer: Answer, timeout: float) -> None:
        """Until our script has begun; sudo may be silent for `timeout` seconds, and longer if it is
        known to be slow.

        Raises as `_await_login`.
        """
        self._await_login(answer)
        started = time.monotonic()
        with suppress(TimeoutError):
            if answer.await_begin(timeout + 2 * self.delay):
                self.delay = max(self.delay, time.monotonic() - started)
                return
        raise self._refused(answer)

    def _refused(self, answer: Answer) -> Exception:
        """Why our script did not begin."""
        if not answer.channel.get_transport().is_active():
            return EOFError("the host closed it")
        return explain_no_start(
            self.address,
            logged_in=answer.out.logged_in,
            output=answer.output_before(),
            code=answer.exit_status(),
        )

    def _open_once(self) -> Any:
        with self._opening:
            if self._connection is None:
                self._connection = open_connection(self.address)
            return self._connection

    def _open_channel(self, command: str, timeout: float) -> tuple[Any, Channel]:
        import paramiko

        for fresh in (False, True):
            connection = self._open_once()
            try:
                channel: Channel = connection.transport.open_session(
                    window_size=WINDOW, timeout=self.address.timeout
                )
                self.sessions += 1
                channel.settimeout(timeout)
                start_command(connection.transport, channel, command)
                return connection, channel
            except (paramiko.SSHException, OSError, EOFError) as error:
                with (
                    self._opening
                ):  # an idle connection may have died: one fresh try, others finish on the old one
                    if self._connection is connection:
                        self._connection = None
                if fresh:
                    raise connection_lost(self.name, error) from None
        raise AssertionError("unreachable")
