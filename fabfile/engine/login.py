"""Explain why a host accepts our ssh login but does not run our script."""

from __future__ import annotations

from .errors import RunbookError, Unreachable
from .frame import FOREIGN
from .host import Address
from .messages import last_line, quote_output

SUDO_REFUSALS = (
    "a password is required",
    "you must have a tty",
    "may not run sudo",
    "not in the sudoers",
    "sudo: not found",
    "sudo: command not found",
)
"""Messages of sudo, and of a shell without sudo, by which we know that sudo does not work."""

LOGIN_FILES = (
    "~/.bashrc, ~/.profile, ~/.zshenv, ~/.cshrc, ~/.config/fish/config.fish, ~/.ssh/rc and"
    " /etc/profile.d"
)
"""Files that a login shell, or sshd before it, executes. A non-interactive shell executes some of
them too."""

NOT_STARTED = "our script did not start, so nothing was done on it"


def explain_no_start(
    a: Address, *, logged_in: bool, output: tuple[str, str], code: int | None
) -> RunbookError:
    """The error for a script of ours that did not start on the host `a`.

    Args:
        logged_in: the login shell had run our command.
        output: what the host printed instead, on stdout and on stderr.
        code: the exit status; None if the command was still running when its time was over.
    """
    out, err = output
    if any(refusal in out + err for refusal in SUDO_REFUSALS):
        return RunbookError(
            f"{a.name}: user {a.user} may not use sudo without a password",
            "every step needs root on the host",
            f"on {a.name}, as root: echo '{a.user} ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/runbook",
        )
    ssh = f"ssh -p {a.port} {a.user}@{a.host}"
    if logged_in and code != FOREIGN:
        end = "no answer" if code is None else f"exit {code}"
        return Unreachable(
            f"{a.name}: sudo did not start our script: {last_line(err) or last_line(out) or end}",
            NOT_STARTED,
            f"{ssh} sudo -n true   (it must end at once and print nothing)",
        )
    return Unreachable(
        f"{a.name} does not run our command: the login of {a.user}"
        f" {_describe_login(a, logged_in=logged_in, output=output, code=code)}",
        f"{NOT_STARTED}; a login file or a forced command takes over the login",
        f"{ssh} true   (it must end at once); on {a.name} check {LOGIN_FILES} of {a.user}, its"
        " shell in /etc/passwd, and command= in ~/.ssh/authorized_keys",
    )


def _describe_login(
    a: Address, *, logged_in: bool, output: tuple[str, str], code: int | None
) -> str:
    printed = f", and prints {quote_output(*output) or 'nothing'}"
    if logged_in or code == FOREIGN:
        return f"reads our script itself (it starts a shell, or reads its input){printed}"
    if code is None:
        return f"did not end within {a.timeout:g} s (ssh.timeout){printed}"
    return f"ends with exit {code} before our command{printed}"
