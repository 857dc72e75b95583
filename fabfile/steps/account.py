"""The step for a system account."""

from __future__ import annotations

from dataclasses import dataclass

from ..engine.command import Shell
from ..engine.errors import RunbookError
from ..engine.shell import Reading, q
from ..engine.step import Change, Step


@dataclass(frozen=True)
class Account(Step):
    """A system user that is a member of a group of the same name. An existing account keeps all its
    properties.

    The runbook's files belong to that group, and systemd gives a unit all groups of its user. So a
    user with another primary group only needs the membership.
    """

    user: str
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`account USER`."""
        return f"account {self.user}"

    def probe(self) -> str:
        """Read the passwd line, whether the group exists, and the groups of the user."""
        user = q(self.user)
        return (
            f"getent passwd {user} || echo absent\n"
            f"getent group {user} >/dev/null && echo group || echo 'no group'\n"
            f"id -nG {user} 2>/dev/null; true"
        )

    def decide(self, seen: Reading) -> Change | None:
        """Create the user, the group and the membership, as far as they are missing.

        Raises:
            RunbookError: the user has the user id 0.
        """
        passwd, group, groups = [*seen.out.splitlines(), "", "", ""][:3]
        has_group = group == "group"
        is_member = self.user in groups.split()
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
        if is_member:
            return None
        create_group = "" if has_group else f"groupadd --system {user} && "
        # usermod refuses a user that is not in /etc/passwd (LDAP); gpasswd does not.
        script = f"{create_group}gpasswd --add {user} {user} >/dev/null"
        return Change(f"put user {self.user} into group {self.user}", (Shell(script),))
