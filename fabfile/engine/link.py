"""One host as the runbook sees it: scripts run as root through `sudo -n`, one channel each;
read, change, upload."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .channel import WINDOW, Answer, Result, end_input, heard_out, start_command, stream_file
from .connection import host_key, key_fingerprint, open_connection
from .errors import FAILED, Locked, Mutation, RunbookError, Unreachable
from .frame import Frame
from .host import Address
from .login import not_begun
from .refusal import lost
from .scripts import report_script
from .shell import Reading, join_probes, new_marker, q, split_readings, wrap_script
from .slowness import warn_once
from .words import explained, failed_unit, last, quoted

if TYPE_CHECKING:
    from paramiko import Channel, Transport

__all__ = ["FENCED", "Address", "Link", "Result", "host_key", "key_fingerprint"]

FENCED = 73
"""Exit status of a script whose guard found the lock lost (see lock.py)."""


class Link:
    """One ssh connection to one host, opened at first use; `readonly` refuses everything that could
    change the host.

    Threads may share it: each script has a channel of its own.
    """

    def __init__(self, address: Address, *, readonly: bool = False) -> None:
        self.address = address
        self.name = address.name
        self.readonly = readonly
        self.guard = ""
        """Shell text that runs before every change; the lock sets it, so that a lost lock stops
        us on the host itself."""
        self.sessions = 0
        """Channels opened so far: what a no-op costs."""
        self.delay = 0.0
        """Seconds that sudo took at most to begin a script of ours; every limit on the host must
        leave room for it."""
        self._connection: Any = None
        self._opening = threading.Lock()
        self._root = "/bin/sh" if address.user == "root" else "sudo -n /bin/sh"

    # -- asking and changing
    # ------------------------------------------------------------------------------

    def read(self, probes: Sequence[str], *, timeout: float = 60) -> list[Reading]:
        """Run read-only `probes` in one script over one session; their answers in order.

        Raises:
            Unreachable: the host cannot be reached, does not run our script, or broke off before
            the last answer.
            RunbookError: its user may not use sudo.
        """
        marker = new_marker()
        action = f"read {len(probes)} probe{'s' * (len(probes) != 1)}"
        result = self._converse(action, wrap_script(join_probes(probes, marker)), timeout)
        try:
            if result.code:
                raise ValueError("its end is missing")
            return split_readings(result.out, marker, len(probes))
        except ValueError:
            raise Unreachable(
                f"{self.name} broke off while it was read:"
                f" {explained('', result.err) or f'exit {result.code}'}",
                "its state is not known, nothing was changed",
                f"ssh to {self.name} and look at its journal",
            ) from None

    def run(self, script: str, *, timeout: float = 60, check: bool = True) -> Result:
        """Run `script` as root. `timeout` is the longest silence in seconds.

        Raises:
            Mutation: the link is read-only.
            Locked: the lock that guards this link was lost; the script did not run.
            Unreachable: the host cannot be reached, does not run our script, or fell silent.
            RunbookError: non-zero exit status, unless `check` is false.
        """
        self._may_change(script)
        guard = self.guard
        result = self._converse("run", wrap_script(guard + script), timeout)
        self._raise_if_fenced(guard, result)
        if check and result.code:
            raise RunbookError(
                f"{self.name}: {self._why(result) or f'exit {result.code}'}",
                f"a command on {self.name} "
                + ("was killed" if result.code < 0 else f"ended with {result.code}"),
                f"fab -H {self.name} plan",
                FAILED,
            )
        return result

    def follow(self, script: str, *, silence: float) -> Iterator[str]:
        """Run a read-only `script` that goes on for long; its lines as they come, until it or the
        caller ends.

        Raises:
            Unreachable: the host cannot be reached, does not run our script, or said nothing for
            `silence` seconds.
        """
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
                raise lost(self.name, error) from None
            finally:
                channel.close()

    def upload(
        self,
        source: Path,
        target: str,
        sha256: str,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Stream the file `source` to `target` (0755 root) in one rename, once the host has seen
        the right sha256.

        Needs 256 KiB of memory whatever the size. `progress` gets (bytes sent, bytes in all).

        Raises:
            Mutation, Locked, Unreachable: as `run`.
            RunbookError: the host could not write it, or what arrived hashes to something else.
        """
        self._may_change(f"upload {target}")
        guard, folder = self.guard, q(target.rpartition("/")[0])
        script = (
            f"{guard}set -eu; mkdir -p {folder}; rm -f {folder}/.upload.??????; "
            f'new=$(mktemp {folder}/.upload.XXXXXX); trap \'rm -f "$new"\' EXIT; cat >"$new"; '
            f'echo "{sha256}  $new" | sha256sum -c --quiet - >&2; '
            f'chmod 0755 "$new"; sync "$new"; mv -fT "$new" {q(target)}'
        )
        with source.open("rb") as file:
            result = self._converse(
                f"upload {source.name}",
                wrap_script(script, stdin=""),
                60,
                lambda channel: stream_file(channel, file, progress),
            )
        self._raise_if_fenced(guard, result)
        if result.code:
            raise RunbookError(
                f"{self.name}: the upload of {source.name} failed:"
                f" {explained(result.out, result.err)}",
                f"{target} was not touched",
                f"fab -H {self.name} deploy",
            )

    def transport(self) -> Transport:
        """The open paramiko transport, for forwarding."""
        transport: Transport = self._open_once().transport
        return transport

    def close(self) -> None:
        """Close the connection; it opens again when used."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    # -- one channel
    # --------------------------------------------------------------------------------------

    def _may_change(self, what: str) -> None:
        if self.readonly:
            line = what.strip().partition("\n")[0][:60]
            raise Mutation(
                f"{self.name}: a read-only link was asked to change the host ({line})",
                "nothing was sent",
                "report this as a bug",
            )

    def _why(self, result: Result) -> str:
        """What a failed script said; a unit's own words, where systemctl says no more than that
        it failed."""
        unit = failed_unit(result.err)
        with suppress(RunbookError):
            said = (
                self.read([f"journalctl -u {q(unit)} -n 8 -o cat -q --no-pager"])[0]
                if unit
                else None
            )
            if said and said.code == 0 and quoted(said.out):
                return f"{unit} failed: {quoted(said.out)}"
        return explained(result.out, result.err)

    def _raise_if_fenced(self, guard: str, result: Result) -> None:
        if guard and result.code == FENCED:
            raise Locked(
                f"{self.name}: {last(result.err)}",
                "another run took it over, or it expired while this one was cut off; from here on"
                " nothing was changed",
                "fab status   (who works there now), then fab plan",
            )

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
            raise lost(self.name, error) from None
        finally:
            channel.close()
        if result.code < 0 and not channel.get_transport().is_active():
            raise lost(self.name, EOFError("the host closed it"))
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
        return not_begun(self.address, answer.out.logged_in, answer.noise(), answer.exit_status())

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
                    raise lost(self.name, error) from None
        raise AssertionError("unreachable")
