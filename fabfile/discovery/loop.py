"""The loop of discovery: run the program, decide, act; until it serves or a person is needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

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
    SetVariable,
    UseCommand,
    UseDirectory,
)
from .decide import decide_action
from .facts import find_config, gather_facts, ordered_ports, refused_calls
from .hints import collect_hints
from .learning import ProgramHelp, learn_command, learn_program
from .listening import address_choices, name_address_ways
from .migration import migration_message
from .missing_path import made_progress
from .model import Attempt, Destination, Discovery, Hints, TrailRow
from .needs_human import explain_local_only, summarise_attempt
from .pages import NOWHERE, USUAL
from .program_setup import ProgramSetup
from .state import SERVICES, SearchState

ATTEMPT_LIMIT = 25
"""Attempts before discovery gives up."""


class DiscoveryLoop:
    """Runs the program again and again, each time with what the run before showed to be missing."""

    def __init__(
        self,
        setup: ProgramSetup,
        state: SearchState,
        *,
        clean: Callable[[str], str],
        progress: Callable[[str], None],
    ) -> None:
        self.setup = setup
        self.node = setup.node
        self.files = setup.files
        self.state = state
        self.clean = clean
        self.progress = progress
        self.help = ProgramHelp()
        self.rows: list[TrailRow] = []
        self.before: Attempt | None = None
        self.wants_migration = ""

    def provide_files(self, files: Sequence[str], directories: Sequence[str]) -> None:
        """Let the program see what it is known to read and to write to, from the first attempt
        on."""
        for path in directories:
            self.files.ensure_directory(path)
        for path in files:
            self.files.ensure_file(path)

    def run(self) -> Discovery:
        """Return what was found once the program serves.

        Raises:
            RunbookError: a person must act.
        """
        self.setup.use_directory(self.setup.program.directory)
        for number in range(1, ATTEMPT_LIMIT + 1):
            interrupt.check()  # Ctrl-C ends discovery between two attempts
            attempt = self.setup.make_attempt(self.state.rejected)
            if number == 1:
                self._learn_help()
            undone = self._undo_without_effect(attempt)
            action = decide_action(attempt, replace(self.state, program=self.setup.program))
            # Both results count only with the wanted configuration: show that first.
            if isinstance(action, (Serving, NeedsHuman)) and self._show_wanted_config(attempt):
                continue
            did = self._carry_out(action)
            self._record_attempt(attempt, action.why, "; ".join(filter(None, (undone, did))))
            self.before = attempt
            self.wants_migration = migration_message(attempt) or self.wants_migration
            if isinstance(action, Serving):
                return self._build_discovery(self._reach_other_hosts(attempt), action)
            if isinstance(action, NeedsHuman):
                raise RunbookError(action.why, action.matters, action.next)
        raise RunbookError(
            f"{self.setup.program.path} still does not serve after {ATTEMPT_LIMIT} attempts",
            "it needs something new every time",
            "read the trail above",
        )

    def _reach_other_hosts(self, served: Attempt) -> Attempt:
        """Return an attempt that other hosts can reach: `served`, or one with an address that its
        help offers.

        Raises:
            RunbookError: it listens on the loopback interface only, whatever it is given.
        """
        if served.is_reachable or not served.ports:
            return served
        choices = address_choices(self.help.options, self.help.variables, served.ports[0].port)
        for choice in choices:
            attempt = self.setup.try_address(choice, self.state.rejected)
            result = "other hosts can reach it" if attempt.is_reachable else "it does not help"
            self._record_attempt(attempt, f"Tried {choice}: {result}.", "")
            if attempt.is_reachable:
                return attempt
        action = explain_local_only(served, choices)
        raise RunbookError(action.why, action.matters, action.next)

    def _learn_help(self, command: tuple[str, ...] | None = None) -> None:
        """Read its help, or that of a command of it."""
        if command:
            self.help = learn_command(self.node, self.help, command)
        else:
            self.help = learn_program(self.node, self.setup.args)
        self.files.default = self.help.default_config
        self.state = replace(
            self.state,
            commands=self.help.commands,
            migrate=self.help.migrate_args,
            address_ways=name_address_ways(self.help.options, self.help.variables),
            libraries=self.help.file.missing,
        )

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
                return f"reject {to} for {self.setup.program.user} during the attempts"
            case UseCommand(args=args):
                self.setup.args = args
                self.state = replace(self.state, tried=self.state.tried | {args[-1]}, retried=False)
                self._learn_help(args)
                return f"use {args[-1]}"
            case UseDirectory(path=path):
                self.setup.use_directory(path)
                return f"start it in {path}"
            case SetVariable(name=name, given=given):
                self.setup.set_variable(name, given)
                return f"set {name}"
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
        path = find_config(attempt.events, self.setup.program.path)
        if path is None or not self.files.shadow_config(path):
            return False
        why = f"It reads {path}, which differs from the wanted configuration."
        self._record_attempt(attempt, why, "show it the wanted content; the file stays as it is")
        return True

    def _record_attempt(self, attempt: Attempt, why: str, did: str) -> None:
        ran = " ".join((self.setup.program.path.rpartition("/")[2], *attempt.args))
        seen, why, did = map(self.clean, (summarise_attempt(attempt), why, did))
        row = TrailRow(len(self.rows) + 1, ran, seen, why, did, attempt.seconds)
        self.rows.append(row)
        self.progress(row.concluded)

    def _build_discovery(self, attempt: Attempt, action: Serving) -> Discovery:
        config = find_config(attempt.events, self.setup.program.path)
        found = gather_facts(
            attempt,
            self.setup.program,
            self.help,
            ports=ordered_ports(attempt) or action.ports,
            reject=self._find_calls_to_reject(attempt),
            binary_sha256=self.node.seen.sha256,
            config_sha256=self.files.digest_config(config),
        )
        return Discovery(found, tuple(self.rows), action.occupied, self.build_hints())

    def ask_for_pages(self, found: Discovery) -> Discovery:
        """Return the discovery with the answers to usual pages, from one more run."""
        paths = [f"{found.facts.port} {path}" for path in (NOWHERE, *USUAL)]
        attempt = self.setup.make_attempt(self.state.rejected, paths)
        pages = tuple(replace(page, body=self.clean(page.body)) for page in attempt.pages)
        return replace(found, hints=replace(found.hints, pages=pages))

    def build_hints(self) -> Hints:
        """Return what was learned, also if the program never served."""
        return collect_hints(
            self.help,
            self.setup.program,
            args=self.setup.args,
            added=self.setup.added,
            last=self.before,
            created=self.files.created,
            wants_migration=self.wants_migration,
        )

    def _find_calls_to_reject(self, attempt: Attempt) -> set[Destination]:
        """Return the calls that stalled, or would stall without a firewall rule."""
        doubtful = set(refused_calls(attempt.events)) - self.state.known - self.state.rejected
        return set(self.state.rejected) | {
            to for to in doubtful if to.port not in SERVICES and self.node.stalls(to)
        }
