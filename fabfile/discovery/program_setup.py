"""How discovery runs the program at present: its arguments, environment, directory and files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from .host import ProgramHost
from .listening import AddressChoice
from .model import Attempt, Destination, GivenValue
from .strace import Bind
from .wanted_files import WantedFiles


class ProgramSetup:
    """The present way to run the program; every change of it counts for the attempts that follow.

    Attributes:
        program: the program with its present environment and working directory.
        args: its present arguments.
        added: variables that discovery gave to it: name → text for a service file.
    """

    def __init__(self, node: ProgramHost, files: WantedFiles, deadline: float) -> None:
        self.node = node
        self.files = files
        self.deadline = deadline
        self.program = node.program
        self.args = node.program.args
        self.added: dict[str, str] = {}

    def make_attempt(self, rejects: Iterable[Destination], pages: Iterable[str] = ()) -> Attempt:
        """Run the program once; calls to `rejects` fail at once. Once it listens it is asked for
        `pages`, each as "PORT PATH"."""
        attempt = self.node.attempt(
            self.args,
            deadline=self.deadline,
            rejects=sorted(rejects),
            shadows=self.files.shadows,
            pages=pages,
        )
        taken = [e.port for e in attempt.events if isinstance(e, Bind) and e.error == "EADDRINUSE"]
        return replace(attempt, holder=self.node.holder(taken[-1])) if taken else attempt

    def set_variable(self, name: str, given: GivenValue) -> None:
        """Give it an environment variable."""
        self.added[name] = given.text
        self._change_program(environment={**self.program.environment, name: given.value})

    def use_directory(self, path: str) -> None:
        """Start it in a directory of its user, which is created if it is missing."""
        self.files.ensure_directory(path)
        self._change_program(directory=path)

    def try_address(self, choice: AddressChoice, rejects: Iterable[Destination]) -> Attempt:
        """Run it with another address, and keep that if other hosts can reach it then."""
        program, args, added = self.program, self.args, dict(self.added)
        self.args = (*self.args, *choice.args)
        if choice.given:
            self.set_variable(choice.variable, choice.given)
        attempt = self.make_attempt(rejects)
        if not attempt.is_reachable:
            self.args, self.added = args, added
            self._change_program(environment=program.environment)
        return attempt

    def _change_program(self, **changes: object) -> None:
        self.program = replace(self.program, **changes)  # type: ignore[arg-type]
        self.node.program = self.files.program = self.program
