"""The loop of discovery: run the program, decide, act; until it serves or a person is needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..engine import interrupt
from ..engine.errors import RunbookError
from .actions import (
    Action,
    CreateDirectory,
    CreateFile,
    NeedsHuman,
    RejectOutbound,
    RunAgain,
    Serving,
    UseCommand,
)
from .decide import decide_action
from .facts import find_config, gather_facts, ordered_ports, refused_calls
from .help_text import Commands, read_help
from .host import KeepTrace, ProgramHost
from .missing_path import made_progress
from .model import Attempt, Destination, Discovery, Facts, Program, TrailRow
from .needs_human import summarise_attempt
from .output import notable_lines, secret_masker
from .placing import text_sha256
from .state import SERVICES, SearchState
from .strace import Bind
from .wanted_files import ContentFor, WantedFiles

if TYPE_CHECKING:
    from ..engine.link import Link

ATTEMPT_LIMIT = 25
"""Attempts before discovery gives up."""
DEADLINE_SECONDS = 45.0
"""How long an attempt may take."""
HELP_SECONDS = 5.0
"""How long a call such as `--help` may take."""


class Stopped(RunbookError):
    """Discovery ended without a serving program; `trail` has its attempts."""

    def __init__(self, error: RunbookError, trail: Sequence[TrailRow]) -> None:
        super().__init__(error.problem, error.why, error.next, error.code)
        self.trail = tuple(trail)


def find_out(
    link: Link,
    program: Program,
    *,
    content_for: ContentFor,
    known: Sequence[tuple[str, int]] = (),
    mask: Sequence[str] = (),
    progress: Callable[[str], None] | None = None,
    keep: KeepTrace | None = None,
    deadline: float = DEADLINE_SECONDS,
) -> Discovery:
    """Run `program` on the host of `link`, create what it needs, and return its facts once it
    serves.

    Only the files and directories that it needs stay behind: no process, no firewall rule,
    no trace. A running instance of it is not disturbed.

    Args:
        content_for: gives the content of the files that it needs.
        known: services that it is meant to reach (its database): calls there are never rejected.
        mask: texts that must not appear in anything that is shown.
        progress: called with each conclusion, a sentence.
        keep: called with a file name and the text of each trace (it holds no data, only names of
            files and addresses).
        deadline: seconds that an attempt may take.

    Raises:
        Stopped: a person must act; the error has the trail.
        RunbookError: the host lacks a tool, the user or the program.
    """
    clean = secret_masker(mask)
    node = ProgramHost(link, program, clean, keep)
    search = _Search(
        node,
        program,
        content_for=content_for,
        known=node.resolve(known),
        clean=clean,
        progress=progress or (lambda _: None),
        deadline=deadline,
    )
    try:
        return search.run()
    except RunbookError as error:
        parts = RunbookError(clean(error.problem), clean(error.why), clean(error.next), error.code)
        raise Stopped(parts, search.trail) from None


class _Search:
    def __init__(
        self,
        node: ProgramHost,
        program: Program,
        *,
        content_for: ContentFor,
        known: frozenset[Destination],
        clean: Callable[[str], str],
        progress: Callable[[str], None],
        deadline: float,
    ) -> None:
        self.node = node
        self.program = program
        self.clean = clean
        self.progress = progress
        self.deadline = deadline
        self.files = WantedFiles(node, program, content_for)
        self.state = SearchState(program, Commands(), known)
        self.args = program.args
        self.trail: list[TrailRow] = []
        self.before: Attempt | None = None
        self.version = ""

    def run(self) -> Discovery:
        for number in range(1, ATTEMPT_LIMIT + 1):
            interrupt.check()  # Ctrl-C ends discovery between two attempts
            attempt = self._make_attempt()
            if number == 1:
                self._read_help_text()
            undone = self._undo_without_effect(attempt)
            action = decide_action(attempt, self.state)
            # Both results count only with the wanted configuration: show that first.
            if isinstance(action, (Serving, NeedsHuman)) and self._show_wanted_config(attempt):
                continue
            did = self._carry_out(action)
            self._record_attempt(attempt, action.why, "; ".join(filter(None, (undone, did))))
            self.before = attempt
            if isinstance(action, Serving):
                return self._build_discovery(attempt, action)
            if isinstance(action, NeedsHuman):
                raise RunbookError(action.why, action.matters, action.next)
        raise RunbookError(
            f"{self.program.path} still does not serve after {ATTEMPT_LIMIT} attempts",
            "it needs something new every time",
            "read the trail above",
        )

    def _make_attempt(self) -> Attempt:
        attempt = self.node.attempt(
            self.args,
            deadline=self.deadline,
            rejects=sorted(self.state.rejected),
            shadows=self.files.shadows,
        )
        taken = [e.port for e in attempt.events if isinstance(e, Bind) and e.error == "EADDRINUSE"]
        return replace(attempt, holder=self.node.holder(taken[-1])) if taken else attempt

    def _read_help_text(self) -> None:
        """Read the help, even if nothing is missing: the facts must not depend on the host."""
        args = self.program.args
        answer = self.node.attempt((*args, "--help"), deadline=HELP_SECONDS)
        commands = read_help(answer.output)
        if not commands.names and answer.outcome == "exited" and answer.code:
            commands = read_help(self.node.attempt((*args, "-h"), deadline=HELP_SECONDS).output)
        self.state = replace(self.state, commands=commands)
        if commands.default_config:
            printed = self.node.attempt((*args, commands.default_config), deadline=HELP_SECONDS)
            self.files.default = (
                printed.raw if printed.outcome == "exited" and not printed.code else None
            )
        if commands.version:
            lines = notable_lines(
                self.node.attempt((*args, commands.version), deadline=HELP_SECONDS).out
            )
            self.version = lines[-1] if lines else ""

    def _carry_out(self, action: Action) -> str:
        """Carry out the action; return what was done, for the trail."""
        self.files.made = ()
        match action:
            case CreateFile(path=path, writable=writable):
                self._rule_out(path)
                return self.files.create_file(path, writable=writable)
            case CreateDirectory(path=path):
                self._rule_out(path)
                return self.files.create_directory(path)
            case RejectOutbound(to=to):
                self.state = replace(self.state, rejected=self.state.rejected | {to})
                return f"reject {to} for {self.program.user} during the attempts"
            case UseCommand(args=args):
                self.args = args
                self.state = replace(self.state, tried=self.state.tried | {args[-1]}, retried=False)
                return f"use {args[-1]}"
            case RunAgain():
                self.state = replace(self.state, retried=True)
        return ""

    def _rule_out(self, path: str) -> None:
        self.state = replace(self.state, ruled_out=self.state.ruled_out | {path})

    def _undo_without_effect(self, attempt: Attempt) -> str:
        """Remove what the last action created if it changed nothing: programs try many files."""
        before = self.before
        if before is None or attempt.outcome != before.outcome or made_progress(before, attempt):
            return ""
        return self.files.remove_last_created()

    def _show_wanted_config(self, attempt: Attempt) -> bool:
        """Show the wanted configuration to the program if the file differs; the file stays.

        Returns whether it differs: then the program must run again.
        """
        path = find_config(attempt.events, self.program.path)
        if path is None or not self.files.shadow_config(path):
            return False
        why = f"It reads {path}, which differs from the wanted configuration."
        self._record_attempt(attempt, why, "show it the wanted content; the file stays as it is")
        return True

    def _record_attempt(self, attempt: Attempt, why: str, did: str) -> None:
        ran = " ".join((self.program.path.rpartition("/")[2], *attempt.args))
        seen, why, did = map(self.clean, (summarise_attempt(attempt), why, did))
        row = TrailRow(len(self.trail) + 1, ran, seen, why, did, attempt.seconds)
        self.trail.append(row)
        self.progress(row.concluded)

    def _build_discovery(self, attempt: Attempt, action: Serving) -> Discovery:
        found: Facts = gather_facts(
            attempt,
            self.program,
            self.state.commands,
            ports=ordered_ports(attempt) or action.ports,
            reject=self._find_calls_to_reject(attempt),
            binary_sha256=self.node.seen.sha256,
            config_sha256=self._find_config_sha256(attempt),
            version=self.version,
        )
        return Discovery(found, tuple(self.trail), action.occupied)

    def _find_config_sha256(self, attempt: Attempt) -> str:
        """Return the SHA-256 of the configuration that the program read; "" if it read none."""
        config = find_config(attempt.events, self.program.path)
        if not config:
            return ""
        shown = self.files.shadows.get(config)
        return self.node.digest(config) if shown is None else text_sha256(shown)

    def _find_calls_to_reject(self, attempt: Attempt) -> set[Destination]:
        """Return the calls that stalled, or would stall without a firewall rule."""
        doubtful = set(refused_calls(attempt.events)) - self.state.known - self.state.rejected
        return set(self.state.rejected) | {
            to for to in doubtful if to.port not in SERVICES and self.node.stalls(to)
        }
