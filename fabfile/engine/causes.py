"""What the words of a host mean: tables of pattern, cause and next command.

Add a row when a host refuses work in words that no row knows. A message quotes the words anyway.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Explanation(NamedTuple):
    """A cause and what to type, for words that match the pattern `words` (case is ignored).

    In `why` and `next`, `{name}`, `{user}`, `{host}`, `{port}` and `{ssh}` (the command that logs
    in) are replaced, as are the pattern's own groups.
    """

    words: str
    why: str
    next: str


WAIT = "wait until it is up, then: fab -H {name} plan   (if that lasts: systemctl list-jobs on its"
REBOOT = (
    Explanation(
        "system is going down|system is shutting down",
        "{name} shuts down or reboots now, and lets only root in",
        f"{WAIT} console)",
    ),
    Explanation(
        "system is booting up",
        "{name} has not finished its boot, and lets only root in",
        f"{WAIT} console; a boot may wait for a unit)",
    ),
)

LOGIN = (
    *REBOOT,
    Explanation(
        r'please login as the user "(?P<other>[\w.-]+)"',
        "cloud-init closed the login of {user} by a forced command (command= in authorized_keys)",
        'set user = "{other}" under [ssh] in the site file',
    ),
    Explanation(
        "password has expired|password change required|change your (expired )?password|"
        "expired password",
        "the password of {user} has expired, so PAM allows nothing but its change, even to a key",
        "on {name}, as root: chage -d $(date +%F) -M -1 {user}   (it does not expire again), or"
        " set a new password: ssh -t -p {port} {user}@{host}",
    ),
    Explanation(
        "account has expired",
        "the account of {user} has expired",
        "on {name}, as root: chage -E -1 {user}   (it does not expire again)",
    ),
    Explanation(
        "account is currently not available",
        "the login shell of {user} is nologin: this account may not log in",
        "on {name}, as root: usermod --shell /bin/bash {user}   (or name another user under [ssh]"
        " in the site file)",
    ),
    Explanation(
        "sftp connections only|rssh|scponly",
        "sshd allows {user} to copy files only (ForceCommand internal-sftp)",
        "on {name}, as root: sshd -T -C user={user} | grep -i forcecommand; exempt {user} from it",
    ),
    Explanation(
        "cannot fork|fork: |resource temporarily unavailable|cannot allocate memory",
        "{name} has no process or no memory left for a login",
        "on the console of {name}, as root: free -m; ps -e | wc -l; ulimit -u; then end what uses"
        " them up",
    ),
)
"""For what a login prints instead of running our command, and for sshd's banner."""

ALLOW = "on {name}, as root: echo '{user} ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/runbook"
NEEDS_ROOT = "every step needs root on the host"

SUDO = (
    Explanation(
        "must have a tty",
        f"{NEEDS_ROOT}, and its sudo demands a terminal (requiretty)",
        "on {name}, as root: echo 'Defaults:{user} !requiretty' >/etc/sudoers.d/runbook-tty",
    ),
    Explanation(
        "syntax error|parse error|no valid sudoers|unable to (open|stat|read) /etc/sudoers|"
        "is (world|group) writable|invalid configuration",
        f"{NEEDS_ROOT}, and sudo cannot read its own rules",
        "on {name}, as root: visudo -c   (it names the file and the line)",
    ),
    Explanation(
        "account (or password )?(is |has )?expired|password (is |has )?expired|"
        "account validation failure|password change required",
        f"{NEEDS_ROOT}, and sudo refuses {{user}}: its password or account has expired",
        "on {name}, as root: chage -l {user}; chage -d $(date +%F) -M -1 -E -1 {user}",
    ),
    Explanation(
        "not in the sudoers|may not run|not allowed to (execute|run)|afraid i can't do that",
        f"{NEEDS_ROOT}, and no rule of sudo allows it to {{user}}",
        ALLOW,
    ),
    Explanation(
        "a password is required|terminal is required|interactive authentication is required|"
        "authentication failed",
        f"{NEEDS_ROOT}, and sudo asks {{user}} for a password",
        ALLOW,
    ),
    Explanation(
        "nosuid|effective uid is not 0|owned by uid 0|no new privileges",
        f"{NEEDS_ROOT}, and sudo itself does not run as root there",
        "on {name}, as root: ls -l $(command -v sudo); findmnt -T $(command -v sudo)   (mode 4755,"
        " owner root, no nosuid)",
    ),
)
"""For what sudo prints instead of running our script. sudo-rs has words of its own."""

NO_SUDO = Explanation(
    "",
    f"{NEEDS_ROOT}, and sudo is not installed",
    "on {name}, as root: apt-get install sudo; then " + ALLOW.partition(": ")[2],
)

WHO_MAY_CONNECT = "grep -iE 'persource|maxstartups'"
GREETING = (
    Explanation(
        "not allowed at this time|exceeded maxstartups|too many connections",
        "sshd there refuses this machine's address for a while: too many logins of it failed or"
        " are still open (PerSourcePenalties, MaxStartups)",
        f"wait a minute, then: fab -H {{name}} plan   (again refused: on {{name}}, as root: sshd -T"
        f" | {WHO_MAY_CONNECT}; PerSourcePenaltyExemptList takes an address)",
    ),
    Explanation(
        "^HTTP/",
        "a web server listens at that port",
        "set the port of sshd under [ssh] in the site file; on {name}: ss -ltnp",
    ),
)
"""For what arrives before the ssh protocol begins."""


def find_explanation(
    explanations: Sequence[Explanation], words: str, facts: Mapping[str, object]
) -> Explanation | None:
    """The first of `explanations` that fits the `words` of a host, with its texts filled in from
    `facts` (see `Address.facts`)."""
    for explanation in explanations:
        if found := re.search(explanation.words, words, re.IGNORECASE):
            return fill_in(explanation, {**found.groupdict(), **facts})
    return None


def fill_in(explanation: Explanation, facts: Mapping[str, object]) -> Explanation:
    """`explanation` with `facts` in its texts."""
    why, next = (text.format_map(facts) for text in explanation[1:])
    return Explanation(explanation.words, why, next)
