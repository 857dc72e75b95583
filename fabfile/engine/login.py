"""What to say when a host lets us in, but our script does not run there: whose files to look at,
and the host's words."""

from __future__ import annotations

from .errors import RunbookError, Unreachable
from .frame import FOREIGN
from .host import Address
from .words import last, quoted

NO_SUDO = (
    "a password is required",
    "you must have a tty",
    "may not run sudo",
    "not in the sudoers",
    "sudo: not found",
    "sudo: command not found",
)

FILES = (
    "~/.bashrc, ~/.profile, ~/.zshenv, ~/.cshrc, ~/.config/fish/config.fish, ~/.ssh/rc and"
    " /etc/profile.d"
)
"""Where a login shell, or sshd before it, takes orders from; a non-interactive one reads some of
them too."""

NOTHING_DONE = "our script did not begin, so nothing was done on it"


def not_begun(a: Address, logged_in: bool, said: tuple[str, str], code: int | None) -> RunbookError:
    """Why our script did not begin on the host `a`.

    Args:
        logged_in: the login shell had run our command.
        said: what was printed instead, on stdout and on stderr.
        code: how it ended; None if it did not, within the time it had.
    """
    if any(word in "".join(said) for word in NO_SUDO):
        return RunbookError(
            f"{a.name}: user {a.user} may not use sudo without a password",
            "every step needs root on the host",
            f"on {a.name}, as root: echo '{a.user} ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/runbook",
        )
    try_it = f"ssh -p {a.port} {a.user}@{a.host}"
    if logged_in and code != FOREIGN:
        end = f"exit {code}" if code is not None else "no answer"
        return Unreachable(
            f"{a.name}: sudo did not start our script: {last(said[1]) or last(said[0]) or end}",
            NOTHING_DONE,
            f"{try_it} sudo -n true   (it must end at once and print nothing)",
        )
    return Unreachable(
        f"{a.name} does not run what it is asked to: the login of {a.user}"
        f" {_instead(a, logged_in, said, code)}",
        f"{NOTHING_DONE}; a login file or a forced command has the word there",
        f"{try_it} true   (it must end at once); on {a.name} look at {FILES} of {a.user}, its shell"
        " in /etc/passwd, and command= in ~/.ssh/authorized_keys",
    )


def _instead(a: Address, logged_in: bool, said: tuple[str, str], code: int | None) -> str:
    words = f", and says {quoted(*said) or 'nothing'}"
    if logged_in or code == FOREIGN:
        return f"reads our script itself (it starts a shell, or reads its input){words}"
    if code is None:
        return f"did not come to its end within {a.timeout:g} s (ssh.timeout){words}"
    return f"ends with exit {code} before it{words}"
