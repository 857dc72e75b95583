"""Turn the exceptions of the ssh libraries into one error for the operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .causes import GREETING, LOGIN, find_explanation
from .errors import RunbookError, Unreachable
from .greeting import explain_mismatch, words_before_ssh
from .messages import quote_output

if TYPE_CHECKING:
    from .host import Address


def connection_lost(name: str, error: BaseException) -> Unreachable:
    """The error for a connection to the host `name` that broke, or was silent for too long."""
    if isinstance(error, TimeoutError):
        reason = "no data arrived in time"
    else:
        reason = str(error) or type(error).__name__
    if "Timeout opening channel" in reason:
        # PAM's session modules are slow, or the host is under load.
        reason = (
            "the host opened no session within ssh.timeout; if it is slow, raise ssh.timeout in the"
            " site file"
        )
    return Unreachable(
        f"the connection to {name} broke: {reason}",
        "the last command there may or may not have finished; steps are idempotent",
        f"fab -H {name} plan",
    )


def explain_silence(a: Address, error: OSError) -> Unreachable:
    """The error for the host `a` to which no TCP connection could be opened."""
    if isinstance(error, TimeoutError):
        reason = f"does not answer within {a.timeout:g} s (ssh.timeout)"
    else:
        reason = (error.strerror or str(error)).lower()
    why, next = "nothing was done on it", f"ping {a.host}; check that the host is up and that the"
    if isinstance(error, ConnectionRefusedError):
        why += "; the machine is up, but sshd is not: it boots or shuts down, or has another port"
        next = f"wait a minute, then: fab -H {a.name} plan; on its console: systemctl status ssh;"
        next += " check that the"
    return Unreachable(
        f"{a.name} ({a.host} port {a.port}) cannot be reached: {reason}",
        why,
        f"{next} site file has its address",
    )


def add_banner(a: Address, refusal: RunbookError, banner: bytes | None) -> RunbookError:
    """`refusal` with the banner that sshd sent before the login failed, and the cause in it.

    PAM gives its reason there: pam_nologin, an expired account.
    """
    if banner and (text := quote_output(banner.decode(errors="replace"))):
        refusal.problem = f"{refusal.problem}; its banner: {text}"
        if cause := find_explanation(LOGIN, text, a.facts):
            refusal.why, refusal.next = f"nothing was done on it; {cause.why}", cause.next
    return refusal


def explain_refusal(
    a: Address, error: Exception, first: bytes, *, host_verified: bool
) -> RunbookError:
    """The error for a login at `a` that failed with `error`.

    Args:
        first: the first bytes that the host sent.
        host_verified: the host had shown a pinned key, so the failure is about our login.
    """
    import paramiko

    if isinstance(error, RunbookError):
        return error
    if known := _explain_key_file(a, error) or _explain_login(a, error, host_verified):
        return known
    if isinstance(error, paramiko.AuthenticationException) or (
        host_verified and isinstance(error, paramiko.SSHException)
    ):
        # "Authentication failed." adds nothing to the sentence.
        reason = "" if "failed" in str(error) else f" ({error})"
        jump = f"-o ProxyJump={a.jumps} " if a.via else ""
        return Unreachable(
            f"{a.name} refuses user {a.user} with the key {a.key or 'of the agent'}{reason}",
            "nothing was done on it",
            f"ssh-copy-id {jump}-i {a.key or 'KEY'} {a.user}@{a.host}   (or fix [ssh] in the site"
            " file)",
        )
    if mismatch := explain_mismatch(a, first, error):
        return mismatch
    if isinstance(error, paramiko.SSHException | EOFError | TimeoutError):
        return _explain_no_ssh(a, error, first)
    return connection_lost(a.name, error)


def _explain_no_ssh(a: Address, error: Exception, first: bytes) -> Unreachable:
    """The error for a host that takes the connection and then does not begin with ssh."""
    words = words_before_ssh(first)
    cause = find_explanation(GREETING, words, a.facts)
    takes = f"{a.name} ({a.host} port {a.port}) takes the connection, but does not speak ssh"
    if words:
        takes = f"{takes}: it sends {quote_output(words)}"
    else:
        takes = f"{takes} within {a.timeout:g} s"
    why = cause.why if cause else str(error).lower() or type(error).__name__
    return Unreachable(
        takes,
        f"nothing was done on it; {why}",
        cause.next
        if cause
        else f"{a.ssh} -v   (a host that is only slow: raise ssh.timeout in the site file)",
    )


def _explain_login(a: Address, error: Exception, host_verified: bool) -> RunbookError | None:
    """The error for a login that failed although the host did not refuse our key; else None."""
    text = str(error)
    if "Authentication timeout" in text:
        return Unreachable(
            f"{a.name} did not finish the login of user {a.user} within {a.timeout:g} s"
            " (ssh.timeout)",
            "nothing was done on it; our key was not refused, the host is slow: sshd waits for a"
            " name server (UseDNS), for PAM, or for a user directory (LDAP), or the host is busy",
            f"time {a.ssh} true; on {a.name}, as root: sshd -T | grep -i usedns; time getent hosts"
            " 192.0.2.1; or raise ssh.timeout in the site file above the time it took",
        )
    if (
        host_verified
        and a.key is None
        and ("transport shut down" in text or "No existing session" in text)
    ):
        return Unreachable(
            f"{a.name} ended the login of user {a.user} while the keys of the agent were tried",
            "nothing was done on it; a host allows a few tries only (MaxAuthTries), and the agent"
            " may hold more keys",
            "ssh-add -l; then name the right key as ssh.key in the site file",
        )
    if lacks_key_type(error):
        return Unreachable(
            f"{a.name} has no host key of the type that is pinned for it",
            f"without a matching key we cannot verify which host answers at {a.host}",
            f"fab -H {a.name} trust   (it shows the key that the host has now)",
        )
    return None


def _explain_key_file(a: Address, error: Exception) -> RunbookError | None:
    """The error for a key file of ours that cannot be used; None if `error` is about another
    thing."""
    import paramiko

    if isinstance(error, OSError) and error.filename:
        if isinstance(error, FileNotFoundError):
            reason = "does not exist"
        else:
            reason = f"cannot be read: {error.strerror}"
        return RunbookError(
            f"{error.filename} {reason}", "[ssh] of the site file names it", "fix the site file"
        )
    if isinstance(error, paramiko.PasswordRequiredException):
        return RunbookError(
            f"the ssh key {a.key} has a passphrase",
            "the runbook does not ask for passphrases",
            "ssh-add it, and leave out [ssh] key",
        )
    return None


def lacks_key_type(error: BaseException) -> bool:
    """Whether `error` says that the host has no host key of the requested types."""
    return "no acceptable host key" in str(error)
