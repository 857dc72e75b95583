"""One host as the runbook sees it: scripts run as root through `sudo -n`, one channel each;
read, change, upload."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from .channel import Result, stream_file
from .connection import host_key, key_fingerprint
from .conversation import Conversation
from .errors import FAILED, Locked, Mutation, RunbookError, Unreachable
from .host import Address
from .shell import Reading, join_probes, new_marker, q, split_readings, wrap_script
from .words import explained, failed_unit, last, quoted

__all__ = ["FENCED", "Address", "Link", "Result", "host_key", "key_fingerprint"]

FENCED = 73
"""Exit status of a script whose guard found the lock lost (see lock.py)."""


class Link(Conversation):
    """One host; `readonly` refuses everything that could change it. Threads may share it."""

    def __init__(self, address: Address, *, readonly: bool = False) -> None:
        super().__init__(address)
        self.readonly = readonly
        self.guard = ""
        """Shell text that runs before every change; the lock sets it, so that a lost lock stops
        us on the host itself."""

    # -- asking and changing

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
        yield from self._take_lines(script, silence)

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
