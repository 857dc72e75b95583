"""The step for the host's firewall rules: a new rule set stays only if a new ssh connection comes
through it."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..engine.command import Progress
from ..engine.errors import RunbookError, Unreachable
from ..engine.shell import Reading, embed_bytes, q, write_file
from ..engine.step import Change, Step, text_diff
from ..engine.waiting import wait_until

if TYPE_CHECKING:
    from ..engine.host import Address
    from ..engine.link import Link

RUNTIME = "runbook-firewall"
FOLDER = f"/run/{RUNTIME}"
"""The folder of a change under way. `new.nft`: the rules that are tried; `old.nft`: those to go
back to; `listing`: what the kernel showed after the last change of ours."""
LISTING = f"{FOLDER}/listing"

RETURN_TIMER = "runbook-firewall-return"
RETURN_SECONDS = 30
"""After this time the host puts its old rules back, unless the new ones were confirmed."""
CONFIRM_SECONDS = 12
"""Seconds for a new connection. One attempt more may take `ssh.timeout` (8 s by default): both must
end before the old rules return."""

LEARN_SECONDS = 3
"""The kernel follows connections only while a rule asks for their state. A connection that began
before is known once it has carried a packet; the answer to a request under way would be dropped as
new. So the first load lets the kernel learn for this time before anything is dropped."""


@dataclass(frozen=True)
class FirewallRules(Step):
    """`path` holds `rules`, and the kernel has them as its `table`, as they were loaded."""

    path: str
    table: str
    rules: str = field(repr=False)
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`firewall rules`."""
        return "firewall rules"

    def probe(self) -> str:
        """Print the file, then how the kernel's rules differ from the last listing of ours."""
        return (
            f"[ ! -e {q(self.path)} ] || base64 -w0 {q(self.path)}\necho\n"
            f"nft -s list table {self.table} 2>/dev/null |"
            f" diff -U1 --label loaded --label kernel {LISTING} - 2>/dev/null && echo same; true"
        )

    def decide(self, seen: Reading) -> Change | None:
        """Load the rules, and keep them if a new connection comes through them."""
        encoded, _, kernel = seen.out.partition("\n")
        old = base64.b64decode(encoded).decode(errors="replace")
        apply = ApplyRules(self.path, self.table, self.rules)
        if old != self.rules:
            sentence = "change the firewall rules" if old else "drop what the system does not need"
            return Change(sentence, (apply,), text_diff(old, self.rules, self.path))
        if kernel.strip() == "same":
            return None
        if not kernel.strip():
            return Change("load the firewall rules: they are not loaded", (apply,))
        sentence = "load the firewall rules again: they were changed by hand"
        return Change(sentence, (apply,), kernel.strip())


@dataclass(frozen=True)
class ApplyRules:
    """Command that loads firewall rules, tries a new ssh connection, and then keeps the rules. If
    no connection comes through, the host itself goes back to its old rules."""

    path: str
    table: str
    rules: str = field(repr=False)

    def show(self) -> str:
        """The two scripts."""
        return f"{self.try_script()}# over a new ssh connection:\n{self.keep_script()}"

    def execute(self, link: Link, progress: Progress) -> None:
        """Load the rules and confirm them.

        Raises:
            RunbookError: the rules were refused by nft, or lock us out. The old rules are in force.
        """
        try:
            link.run(self.try_script(), timeout=RETURN_SECONDS)
            progress("waiting for a new ssh connection through the new firewall rules")
            confirmed = wait_until(
                lambda: _answers(link.address), seconds=CONFIRM_SECONDS, every=0.5
            )
        except Unreachable:  # the rules cut even the connection that loaded them
            confirmed = False
        if confirmed:
            link.run(self.keep_script())
            return
        progress(f"locked out; the host puts its old rules back within {RETURN_SECONDS} s")
        link.close()
        is_back = wait_until(lambda: _answers(link.address), seconds=RETURN_SECONDS + 15, every=1)
        raise _locked_out(link.name, is_back=is_back)

    def try_script(self) -> str:
        """Script that arms the way back, then loads the rules."""
        back = f"/usr/sbin/nft -f {FOLDER}/old.nft; rm -f {FOLDER}/new.nft"
        timer = f"--on-active={RETURN_SECONDS} --timer-property=AccuracySec=1s"
        return (
            "set -eu\n"
            f"mkdir -p {FOLDER}\n"
            # A killed run may have left a change that nobody confirmed: go back first.
            f"! systemctl is-active -q {RETURN_TIMER}.timer ||"
            f" systemctl start {RETURN_TIMER}.service\n"
            f"systemctl stop {RETURN_TIMER}.timer 2>/dev/null || :\n"
            f"{embed_bytes(self.rules.encode(), to=f'{FOLDER}/new.nft')}\n"
            f"nft -c -f {FOLDER}/new.nft\n"
            f"{{ echo 'table {self.table}'; echo 'delete table {self.table}';"
            f" nft list table {self.table} 2>/dev/null || :; }} >{FOLDER}/old.nft\n"
            f"nft list table {self.table} >/dev/null 2>&1 ||"
            f" {{ nft {q(self._learning_rules())}; sleep {LEARN_SECONDS}; }}\n"
            f"systemd-run -q --collect --unit={RETURN_TIMER} {timer} -p Type=oneshot"
            f" /bin/sh -c {q(back)}\n"
            f"nft -f {FOLDER}/new.nft\n"
        )

    def _learning_rules(self) -> str:
        hook = "type filter hook input priority filter; policy accept;"
        return f"table {self.table} {{ chain input {{ {hook} ct state new accept; }}; }}"

    def keep_script(self) -> str:
        """Script that cancels the way back and keeps the rules for the next boot."""
        return (
            f"systemctl stop {RETURN_TIMER}.timer\n"
            f"[ -e {FOLDER}/new.nft ] || {{"
            " echo 'the old firewall rules came back before the new ones were confirmed' >&2;"
            " exit 1; }\n"
            f"{write_file(self.path, self.rules.encode(), mode=0o644, owner='root:root')}"
            f"nft -s list table {self.table} >{LISTING}\n"
            f"rm -f {FOLDER}/new.nft {FOLDER}/old.nft\n"
        )


def _answers(address: Address) -> bool:
    """Whether a new ssh connection reaches a root shell."""
    from ..engine.link import Link

    link = Link(address, readonly=True)
    try:
        return link.read(["true"])[0].code == 0
    except RunbookError:
        return False
    finally:
        link.close()


def _locked_out(host: str, *, is_back: bool) -> RunbookError:
    if not is_back:
        return Unreachable(
            f"{host} is not reachable since its firewall rules changed",
            f"it should have put the old rules back after {RETURN_SECONDS} s",
            f"on the console of {host}: systemctl start {RETURN_TIMER}.service",
        )
    return RunbookError(
        f"{host}: no new ssh connection came through the new firewall rules",
        f"the host put its old rules back after {RETURN_SECONDS} s, so nobody is locked out; the"
        " rules on its disk are the old ones, too",
        f"fab -H {host} plan   (shows the rules; is ssh.port the port that sshd on {host} listens"
        " on?)",
    )
