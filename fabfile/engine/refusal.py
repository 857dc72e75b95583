"""Why a connection did not come about, or broke: one sentence for whatever the libraries raise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import RunbookError, Unreachable
from .words import quoted

if TYPE_CHECKING:
    from .host import Address


def lost(name: str, error: BaseException) -> Unreachable:
    """The message for a connection that broke, or stayed silent for too long."""
    word = (
        "it fell silent"
        if isinstance(error, TimeoutError)
        else (str(error) or type(error).__name__)
    )
    if "Timeout opening channel" in word:  # PAM's session modules, or load
        word = "it opened no session within ssh.timeout; is it slow, raise that in the site file"
    return Unreachable(
        f"the connection to {name} broke: {word}",
        "what ran there last may or may not have finished; steps are idempotent",
        f"fab -H {name} plan",
    )


def with_banner(refusal: RunbookError, banner: bytes | None) -> RunbookError:
    """`refusal` with what sshd showed before it let nobody in: PAM's reason (pam_nologin, an
    expired account) comes so."""
    if banner and (words := quoted(banner.decode(errors="replace"))):
        refusal.problem = f"{refusal.problem}; it shows {words}"
    return refusal


def refused(a: Address, error: Exception, greeted: bool) -> RunbookError:
    """What to tell of `error`; `greeted`: the host had shown a key we know, so it is about us."""
    import paramiko

    if isinstance(error, RunbookError):
        return error
    if said := _own_files(a, error) or _not_about_the_key(a, error, greeted):
        return said
    if isinstance(error, paramiko.AuthenticationException) or (
        greeted and isinstance(error, paramiko.SSHException)
    ):
        said_why = "" if "failed" in str(error) else f" ({error})"
        return Unreachable(
            f"{a.name} refuses user {a.user} with the key {a.key or 'of the agent'}{said_why}",
            "nothing was done on it",
            f"ssh-copy-id -i {a.key or 'KEY'} {a.user}@{a.host}   (or fix [ssh] in the site file)",
        )
    if isinstance(error, paramiko.SSHException | EOFError | TimeoutError):
        return Unreachable(
            f"{a.name} ({a.host} port {a.port}) takes the connection, but does not speak ssh within"
            f" {a.timeout:g} s",
            f"nothing was done on it ({str(error).lower() or type(error).__name__})",
            f"ssh -v -p {a.port} {a.user}@{a.host}   (a host that is only slow: raise ssh.timeout"
            " in the site file)",
        )
    return lost(a.name, error)


def _not_about_the_key(a: Address, error: Exception, greeted: bool) -> RunbookError | None:
    """The login failed, but the host did not say no to our key."""
    said = str(error)
    if "Authentication timeout" in said:
        return Unreachable(
            f"{a.name} did not finish the login of user {a.user} within {a.timeout:g} s"
            " (ssh.timeout)",
            "nothing was done on it; its key was not refused, the host is slow: PAM, a name"
            " service, or load",
            f"time ssh -p {a.port} {a.user}@{a.host} true; then raise ssh.timeout in the site file"
            " above what it took",
        )
    if (
        greeted
        and a.key is None
        and ("transport shut down" in said or "No existing session" in said)
    ):
        return Unreachable(
            f"{a.name} ended the login of user {a.user} while the keys of the agent were tried",
            "nothing was done on it; a host allows some tries only (MaxAuthTries), and the agent"
            " may hold more keys",
            "ssh-add -l; then name the right key as ssh.key in the site file",
        )
    if has_no_such_key(error):
        return Unreachable(
            f"{a.name} has no host key of the type that is pinned for it",
            f"without it nobody knows who answers at {a.host}",
            f"fab -H {a.name} trust   (it shows the key that the host has now)",
        )
    return None


def _own_files(a: Address, error: Exception) -> RunbookError | None:
    """Our key file cannot be used."""
    import paramiko

    if isinstance(error, OSError) and error.filename:
        word = (
            "does not exist"
            if isinstance(error, FileNotFoundError)
            else f"cannot be read: {error.strerror}"
        )
        return RunbookError(
            f"{error.filename} {word}", "[ssh] of the site file names it", "fix the site file"
        )
    if isinstance(error, paramiko.PasswordRequiredException):
        return RunbookError(
            f"the ssh key {a.key} has a passphrase",
            "nobody is asked for it here",
            "ssh-add it, and leave out [ssh] key",
        )
    return None


def has_no_such_key(error: BaseException) -> bool:
    """Whether the host has no key of a type that it was asked for."""
    return "no acceptable host key" in str(error)
