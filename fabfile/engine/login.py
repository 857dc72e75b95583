"""Explain why a host accepts our ssh login but does not run our script."""

from __future__ import annotations

from .causes import LOGIN, NO_SUDO, SUDO, Explanation, fill_in, find_explanation
from .errors import RunbookError, Unreachable
from .frame import FOREIGN
from .host import Address
from .messages import clean_lines, quote_output

LOGIN_FILES = (
    "~/.bashrc, ~/.profile, ~/.zshenv, ~/.cshrc, ~/.config/fish/config.fish, ~/.ssh/rc and"
    " /etc/profile.d"
)
"""Files that a login shell, or sshd before it, executes. A non-interactive shell executes some of
them too."""

TAKEN_OVER = Explanation(
    "",
    "a login file or a forced command takes over the login",
    f"{{ssh}} true   (it must end at once); on {{name}} check {LOGIN_FILES} of {{user}}, its shell"
    " in /etc/passwd, and command= in ~/.ssh/authorized_keys",
)

NOT_FOUND = 127
"""Exit status of env and of every shell for a program that is not installed."""

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
    if logged_in and code != FOREIGN:
        return _explain_sudo(a, output, code)
    words = quote_output(*output)
    cause = find_explanation(LOGIN, words, a.facts) or fill_in(TAKEN_OVER, a.facts)
    return Unreachable(
        f"{a.name} does not run our command: the login of {a.user}"
        f" {_describe_login(a, logged_in=logged_in, words=words, code=code)}",
        f"{NOT_STARTED}; {cause.why}",
        cause.next,
    )


def _explain_sudo(a: Address, output: tuple[str, str], code: int | None) -> RunbookError:
    """The error for a sudo that did not start our script."""
    lines = [line for text in output for line in clean_lines(text)]
    # sudo-rs begins with its own name. Other lines are of login files, except without sudo, and
    # for a mistake in its rules.
    own = [line for line in lines if line.startswith("sudo") or "/sudoers" in line]
    words = quote_output("\n".join(own or lines[-1:]))
    if cause := find_explanation(SUDO, words, a.facts) or (
        fill_in(NO_SUDO, a.facts) if code == NOT_FOUND else None
    ):
        return RunbookError(
            f"{a.name}: user {a.user} cannot use sudo: {words}", cause.why, cause.next
        )
    end = "no answer" if code is None else f"exit {code}"
    return Unreachable(
        f"{a.name}: sudo did not start our script: {words or end}",
        NOT_STARTED,
        f"{a.ssh} sudo -n true   (it must end at once and print nothing)",
    )


def _describe_login(a: Address, *, logged_in: bool, words: str, code: int | None) -> str:
    printed = f", and prints {words or 'nothing'}"
    if logged_in or code == FOREIGN:
        return f"reads our script itself (it starts a shell, or reads its input){printed}"
    if code is None:
        return f"did not end within {a.timeout:g} s (ssh.timeout){printed}"
    return f"ends with exit {code} before our command{printed}"
