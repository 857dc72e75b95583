"""System accounts."""

from __future__ import annotations

from dataclasses import dataclass

from ..engine.command import Shell
from ..engine.errors import RunbookError
from ..engine.shell import Reading, q
from ..engine.step import Change, Step


@dataclass(frozen=True)
class Account(Step):
    """A system user with a group of its own name, no login shell and no home of its own."""

    user: str
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`account USER`."""
        return f"account {self.user}"

    def probe(self) -> str:
        """The passwd line, and the groups."""
        return f"getent passwd {q(self.user)} || echo absent"

    def decide(self, seen: Reading) -> Change | None:
        """Create it.

        Raises:
            RunbookError: the name belongs to a superuser.
        """
        if seen.out.strip() == "absent":
            script = (
                f"useradd --system --user-group --no-create-home --home-dir / --shell /usr/sbin/nologin {q(self.user)}"
            )
            return Change(f"create system user {self.user}", (Shell(script),))
        if seen.out.split(":")[2:3] == ["0"]:
            raise RunbookError(
                f"the user {self.user} is root", "the app must run unprivileged", "set app.user in the site file"
            )
        return None
