"""System accounts."""

from __future__ import annotations

from dataclasses import dataclass

from ..engine.command import Shell
from ..engine.errors import RunbookError
from ..engine.shell import Reading, q
from ..engine.step import Change, Step


@dataclass(frozen=True)
class Account(Step):
    """A system user who is in a group of the same name. An account that is there keeps all it has.

    Our files are given to that group, and a unit takes its user's own group and all others: so a
    user with another primary group only has to be a member.
    """

    user: str
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`account USER`."""
        return f"account {self.user}"

    def probe(self) -> str:
        """The passwd line, whether there is such a group, and the groups that the user is in."""
        user = q(self.user)
        return (
            f"getent passwd {user} || echo absent\n"
            f"getent group {user} >/dev/null && echo group || echo 'no group'\n"
            f"id -nG {user} 2>/dev/null; true"
        )

    def decide(self, seen: Reading) -> Change | None:
        """Create what is missing: user, group, membership.

        Raises:
            RunbookError: the name belongs to a superuser.
        """
        passwd, group, *rest = [*seen.out.splitlines(), "", ""][:3]
        has_group, member = group == "group", self.user in " ".join(rest).split()
        if passwd.split(":")[2:3] == ["0"]:
            raise RunbookError(
                f"the user {self.user} is root",
                "the app must run unprivileged",
                "set app.user in the site file",
            )
        user = q(self.user)
        if passwd == "absent":
            primary = f"--gid {user}" if has_group else "--user-group"
            script = (
                f"useradd --system {primary} --no-create-home --home-dir / --shell"
                f" /usr/sbin/nologin {user}"
            )
            return Change(f"create system user {self.user}", (Shell(script),))
        if member:
            return None
        make = "" if has_group else f"groupadd --system {user} && "
        # gpasswd, for usermod refuses users who are not in /etc/passwd (LDAP).
        script = f"{make}gpasswd --add {user} {user} >/dev/null"
        return Change(f"put user {self.user} into group {self.user}", (Shell(script),))
