"""Run scripts in the root shell of one host, each on its own channel of one ssh connection."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .channel import WINDOW, Answer, Result, end_input, ignore_closed, start_command
from .connection import open_connection
from .frame import Frame
from .host import Address
from .login import explain_no_start
from .refusal import connection_lost
from .scripts import report_script
from .shared_connection import SharedConnection
from .shell import wrap_script
from .slowness import warn_if_slow, warn_of_silence

if TYPE_CHECKING:
    from paramiko import Channel, Transport

SUDO_SHELL = "env LC_ALL=C sudo -n /bin/sh"
"""Starts a root shell. English, so that causes.py knows the words with which sudo refuses. `env`:
the login shell may be csh or fish, which do not read `LC_ALL=C sudo`."""


class Conversation:
    """The ssh connection to one host, opened at first use.

    Threads may share it: each script has its own channel.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.name = address.name
        self.sessions = 0
        """Channels opened so far. Each one costs a round trip, so a report shows the total."""
        self.delay = 0.0
        """The longest time in seconds that sudo took to start a script. Every time limit on the
        host must allow for it."""
        self._connection = SharedConnection(lambda: open_connection(address))
        self._root_shell = "/bin/sh" if address.user == "root" else SUDO_SHELL

    def transport(self) -> Transport:
        """The open paramiko transport, for forwarding a socket."""
        transport: Transport = self._connection.get().transport
        return transport

    def close(self) -> None:
        """Close the connection; the next use opens it again."""
        self._connection.close()

    def _take_lines(self, script: str, silence: float) -> Iterator[str]:
        """Run `script`; yield its lines as they arrive, until the script or the caller ends."""
        with report_script(self.name, "follow", script) as sent:
            frame = Frame()
            text = frame.around(wrap_script(script))
            _, channel = self._open_channel(frame.command(self._root_shell), silence)
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
        *,
        timeout: float,
        send: Callable[[Channel], None] | None = None,
    ) -> Result:
        """Run `script`, and report the script and its result as `action`.

        Args:
            timeout: the longest silence, in seconds.
            send: writes the input of the script, after the script itself.
        """
        with report_script(self.name, action, script) as sent:
            result = self._exchange(script, timeout, send)
            sent.out, sent.err, sent.code = result
        return result

    def _exchange(
        self, script: str, timeout: float, send: Callable[[Channel], None] | None
    ) -> Result:
        frame = Frame()
        text = frame.around(script)
        _, channel = self._open_channel(
            frame.command(self._root_shell, text if send else ""), timeout
        )
        answer = Answer(channel, frame)
        try:
            self._submit(channel, text)
            if send:
                self._await_login(answer)
                channel.settimeout(timeout)
                with ignore_closed(channel):
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
        warn_if_slow(self.name, self.delay, answer.err.noise_text())
        return result

    def _submit(self, channel: Channel, text: str) -> None:
        """Send a script. Errors are ignored: a login that does not read all of it is reported when
        we wait for the answer."""
        channel.settimeout(self.address.timeout)
        with suppress(TimeoutError), ignore_closed(channel):
            channel.sendall(text.encode())

    def _await_login(self, answer: Answer) -> None:
        """Wait until the login files are done, for `ssh.timeout` seconds.

        Raises:
            Unreachable, RunbookError: the login does not run our command (see login.py).
            EOFError: the host closed the connection.
        """
        if not answer.await_login(self.address.timeout):
            raise self._start_error(answer)

    def _await_begin(self, answer: Answer, timeout: float) -> None:
        """Wait until our script has begun.

        sudo may be silent for `timeout` seconds, and longer on a host where sudo is known to be
        slow. Raises as `_await_login`.
        """
        self._await_login(answer)
        started = time.monotonic()
        with suppress(TimeoutError):
            if self._begins(answer, timeout + 2 * self.delay):
                self.delay = max(self.delay, time.monotonic() - started)
                return
        raise self._start_error(answer)

    def _begins(self, answer: Answer, limit: float) -> bool:
        """Whether our script begins within `limit` seconds of silence; a person learns earlier why
        nothing happens."""
        first = self.address.timeout
        if self.delay < first < limit:
            try:
                return answer.await_begin(first)
            except TimeoutError:
                warn_of_silence(self.address, limit)
                limit -= first
        return answer.await_begin(limit)

    def _start_error(self, answer: Answer) -> Exception:
        """The error for a script that did not start."""
        if not answer.channel.get_transport().is_active():
            return EOFError("the host closed it")
        return explain_no_start(
            self.address,
            logged_in=answer.out.logged_in,
            output=answer.output_before(),
            code=answer.exit_status(),
        )

    def _open_channel(self, command: str, timeout: float) -> tuple[Any, Channel]:
        import paramiko

        for second_try in (False, True):
            connection = self._connection.get()
            try:
                channel: Channel = connection.transport.open_session(
                    window_size=WINDOW, timeout=self.address.timeout
                )
                self.sessions += 1
                channel.settimeout(timeout)
                start_command(connection.transport, channel, command)
                return connection, channel
            except (paramiko.SSHException, OSError, EOFError) as error:
                # An idle connection may have died: try once more with a new one.
                self._connection.drop(connection)
                if second_try:
                    raise connection_lost(self.name, error) from None
        raise AssertionError("unreachable")
