"""Work on one host as root: run probes and scripts, follow a long script, upload a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from .account_lock import add_lock_holder
from .channel import Result, stream_file
from .connection import host_key, key_fingerprint
from .conversation import Conversation
from .errors import FAILED, Locked, Mutation, RunbookError, Unreachable
from .full_disk import add_disk_cause
from .host import Address
from .messages import describe_failure, find_failed_unit, last_line, plural, quote_output
from .shell import Reading, join_probes, new_marker, q, split_readings, wrap_script

__all__ = ["FENCED", "Address", "Link", "Result", "host_key", "key_fingerprint"]

FENCED = 73
"""Exit status of a script whose guard found that this run lost the lock (see lock.py)."""

ANSWER_SECONDS = 5.0
"""A host that is read again and again counts as lost when its probes take longer than this."""


class Link(Conversation):
    """The ssh link to one host. Threads may share it.

    A `readonly` link refuses every call that could change the host.
    """

    def __init__(self, address: Address, *, readonly: bool = False) -> None:
        super().__init__(address)
        self.readonly = readonly
        self.guard = ""
        """Shell text that runs before every change. The lock sets it: a run that lost the lock is
        stopped on the host itself."""

    def read(self, probes: Sequence[str], *, timeout: float = 60) -> list[Reading]:
        """Run read-only `probes` in one script over one session; the readings in order.

        `timeout` is the longest silence in seconds.

        Raises:
            Unreachable: the host cannot be reached, does not run our script, or the answer ended
            before the last reading.
            RunbookError: the ssh user may not use sudo.
        """
        marker = new_marker()
        action = f"read {plural(len(probes), 'probe')}"
        result = self._converse(action, wrap_script(join_probes(probes, marker)), timeout=timeout)
        try:
            if result.code:
                raise ValueError("the script did not reach its end")
            return split_readings(result.out, marker, len(probes))
        except ValueError:
            raise Unreachable(
                f"the answer of {self.name} is incomplete:"
                f" {describe_failure('', result.err) or f'exit {result.code}'}",
                "its state is unknown; nothing was changed",
                f"on {self.name}: journalctl -n 50",
            ) from None

    def run(self, script: str, *, timeout: float = 60, check: bool = True) -> Result:
        """Run `script` as root. `timeout` is the longest silence in seconds.

        Raises:
            Mutation: the link is read-only.
            Locked: this run lost the lock that guards this link; the script did not run.
            Unreachable: the host cannot be reached, does not run our script, or was silent for
            too long.
            RunbookError: non-zero exit status, unless `check` is false.
        """
        self._refuse_if_readonly(script)
        guard = self.guard
        result = self._converse("run", wrap_script(guard + script), timeout=timeout)
        self._raise_if_fenced(guard, result)
        if check and result.code:
            end = "was killed" if result.code < 0 else f"ended with {result.code}"
            error = RunbookError(
                f"{self.name}: {self._find_cause(result) or f'exit {result.code}'}",
                f"a command on {self.name} {end}",
                f"fab -H {self.name} plan",
                FAILED,
            )
            error = add_lock_holder(self.name, error, self.read)
            raise add_disk_cause(self.name, error, self.read)
        return result

    def read_again(self, probes: Sequence[str], *, every: float) -> Iterator[list[Reading]]:
        """Run read-only `probes` every `every` seconds in one session; yield the readings of each
        round, until the caller ends.

        Raises:
            Unreachable: the host cannot be reached, does not run our script, or was silent for
            `every` seconds more than it may take to answer.
        """
        marker = new_marker()
        end_of_round = f"{marker} round"
        # The host paces the rounds: a call per round would cost a login of sudo each time. `exit`:
        # where SIGPIPE is ignored, the script would go on for nobody.
        script = (
            f"while :; do\n{join_probes(probes, marker)}printf '{end_of_round}\\n' || exit\n"
            f"sleep {every:g}\ndone"
        )
        lines: list[str] = []
        for line in self._take_lines(script, every + ANSWER_SECONDS):
            if line == end_of_round:
                yield split_readings("\n".join([*lines, ""]), marker, len(probes))
                lines = []
            else:
                lines.append(line)

    def follow(self, script: str, *, silence: float) -> Iterator[str]:
        """Run a long, read-only `script`; yield its lines as they arrive, until the script or the
        caller ends.

        Raises:
            Unreachable: the host cannot be reached, does not run our script, or printed nothing
            for `silence` seconds.
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
        """Stream the file `source` to `target` (mode 0755, owner root).

        The host checks the sha256 first and then replaces `target` in one rename. `progress` gets
        (bytes sent, total bytes).

        Raises:
            Mutation, Locked, Unreachable: as `run`.
            RunbookError: the host could not write the file, or its sha256 is not `sha256`.
        """
        self._refuse_if_readonly(f"upload {target}")
        guard = self.guard
        folder = q(target.rpartition("/")[0])
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
                timeout=60,
                send=lambda channel: stream_file(channel, file, progress),
            )
        self._raise_if_fenced(guard, result)
        if result.code:
            error = RunbookError(
                f"{self.name}: the upload of {source.name} failed:"
                f" {describe_failure(result.out, result.err)}",
                f"{target} was not touched",
                f"fab -H {self.name} deploy",
            )
            raise add_disk_cause(self.name, error, self.read, near=target)

    def _refuse_if_readonly(self, action: str) -> None:
        if self.readonly:
            line = action.strip().partition("\n")[0][:60]
            raise Mutation(
                f"{self.name}: a read-only link was asked to change the host ({line})",
                "nothing was sent",
                "report this as a bug",
            )

    def _find_cause(self, result: Result) -> str:
        """Why a script failed: its output, or the unit's journal where systemctl names only the
        unit."""
        unit = find_failed_unit(result.err)
        if unit:
            with suppress(RunbookError):  # without the journal, the output must do
                journal = self.read([f"journalctl -u {q(unit)} -n 8 -o cat -q --no-pager"])[0]
                if journal.code == 0 and quote_output(journal.out):
                    return f"{unit} failed: {quote_output(journal.out)}"
        return describe_failure(result.out, result.err)

    def _raise_if_fenced(self, guard: str, result: Result) -> None:
        if guard and result.code == FENCED:
            raise Locked(
                f"{self.name}: {last_line(result.err)}",
                "another run took it over, or it expired while this run had no connection; nothing"
                " was changed since then",
                "fab status   (shows who holds it now), then fab plan",
            )
