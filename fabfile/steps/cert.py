"""A certificate with its key: installed as one pair, switched in one rename, and looked at as it
is served."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..engine.command import Shell
from ..engine.secret import Secret
from ..engine.shell import Reading, embed_bytes, q
from ..engine.step import Change, Step

DEADLINE = 30
"""Seconds until a reloaded daemon must serve the new certificate."""


@dataclass(frozen=True)
class Material:
    """A certificate and its key, checked against each other by whoever made this.

    `chain` is PEM, leaf first, then intermediates, without the root. `key` is PEM, PKCS#8, not
    encrypted. `fingerprint` is the sha256 of the leaf's DER in hex. `subject` and `not_after` are
    for people.
    """

    chain: str = field(repr=False)
    key: Secret
    fingerprint: str
    subject: str = ""
    not_after: str = ""

    @property
    def id(self) -> str:
        """Names the pair's folder on a host. The leaf in the chain holds the key's public part,
        so it stands for both."""
        return hashlib.sha256(self.chain.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Certificate(Step):
    """`<folder>/current` points to `<id>`, which holds `chain.pem` and `key.pem`; the key is for
    root and `group` only.

    A daemon that reads the pair through `current` finds the old pair or the new one, never half of
    each. The pair before it stays, named by `<folder>/previous`.
    """

    material: Material
    folder: str
    group: str
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`certificate FOLDER`."""
        return f"certificate {self.folder}"

    def probe(self) -> str:
        """Where `current` points; owner, mode and whether it is as wanted of each part. No key
        is ever read out."""
        pair = self.material.id
        return (
            f'cd {q(self.folder)} 2>/dev/null || {{ echo absent; exit 0; }}\necho "current'
            f' $(readlink current)"\nfor one in . {pair} {pair}/chain.pem {pair}/key.pem; do stat'
            " -c '%n %U:%G %a' $one 2>/dev/null; done\nsha256sum --status -c <<'SUMS' && echo"
            f" same\n{self._sum_lines()}SUMS\ntrue"
        )

    def decide(self, seen: Reading) -> Change | None:
        """Write the pair and switch to it; write it again when only owner, mode or a file is not
        as wanted."""
        lines, wanted = seen.out.splitlines(), self._wanted()
        if lines == wanted:
            return None
        about = (
            f"{self.material.subject}, until {self.material.not_after},"
            f" {short_fingerprint(self.material.fingerprint)}"
        )
        verb = "mend" if wanted[0] in lines else "install"
        return Change(
            f"{verb} the certificate in {self.folder} ({about})", (Shell(self._install_script()),)
        )

    def _wanted(self) -> list[str]:
        """What the probe prints of a pair that is as installed."""
        pair = self.material.id
        return [
            f"current {pair}",
            f". root:{self.group} 750",
            f"{pair} root:{self.group} 750",
            f"{pair}/chain.pem root:root 644",
            f"{pair}/key.pem root:{self.group} 640",
            "same",
        ]

    def differences(self, seen: Reading) -> list[str]:
        """What is not as it was installed, a clause each. A daemon that runs may still serve
        what it read before."""
        lines = seen.out.splitlines()
        if "absent" in lines or not lines:
            return [f"{self.folder} is missing"]
        *parts, same = self._wanted()
        found = dict(line.split(" ", 1) for line in lines if " " in line)
        told = []
        for name, right in (part.split(" ", 1) for part in parts):
            path = self.folder if name == "." else f"{self.folder}/{name}"
            if name not in found:
                told.append(f"{path} is missing")
            elif found[name] != right:
                told.append(f"{path} is {found[name] or 'no link'}, not {right}")
        if not told and same not in lines:
            told.append(
                f"{self.folder}/{self.material.id} holds another chain or key than was installed"
            )
        return told

    def _sum_lines(self) -> str:
        parts = {"chain.pem": self.material.chain, "key.pem": self.material.key.reveal()}
        return "".join(
            f"{hashlib.sha256(text.encode()).hexdigest()}  {self.material.id}/{name}\n"
            for name, text in parts.items()
        )

    def _install_script(self) -> str:
        """The host's own openssl sees chain and key before anything points to them."""
        pair, group = self.material.id, q(self.group)
        return "\n".join(
            [
                "set -eu",
                f"install -d -o root -g {group} -m 0750 {q(self.folder)}",
                f"cd {q(self.folder)}",
                "rm -rf .new.??????",  # what a killed run left
                # 0700: the key is nobody's but root's until it is its group's
                "new=$(mktemp -d .new.XXXXXX)",
                "trap 'rm -rf \"$new\"' EXIT",
                embed_bytes(self.material.chain.encode(), to='"$new"/chain.pem'),
                embed_bytes(self.material.key.reveal().encode(), to='"$new"/key.pem'),
                (
                    'leaf=$(openssl x509 -noout -pubkey <"$new"/chain.pem); key=$(openssl pkey'
                    ' -pubout <"$new"/key.pem)'
                ),
                (
                    '[ "$leaf" = "$key" ] || { echo "the key does not belong to the certificate"'
                    " >&2; exit 65; }"
                ),
                'chown root:root "$new"/chain.pem; chmod 0644 "$new"/chain.pem',
                f'chown root:{group} "$new"/key.pem; chmod 0640 "$new"/key.pem',
                'sync "$new"/chain.pem "$new"/key.pem',
                f"install -d -o root -g {group} -m 0750 {pair}",
                f'mv -fT "$new"/chain.pem {pair}/chain.pem; mv -fT "$new"/key.pem {pair}/key.pem',
                "old=$(readlink current || true)",
                f'if [ -n "$old" ] && [ "$old" != {pair} ]; then ln -sfn "$old" previous; fi',
                f"ln -sfn {pair} .current.new; mv -fT .current.new current",
                "for one in ????????????; do",  # ids are twelve digits long
                f'  case "$one" in {pair} | "$(readlink previous)") ;;',
                '  *) if [ -f "$one"/key.pem ]; then rm -rf "$one"; fi ;;',
                "  esac",
                "done",
            ]
        )


@dataclass(frozen=True)
class Served(Step):
    """The daemon behind `unit` shows this certificate at `address`:`port` to who asks for
    `server_name` (or for no name)."""

    material: Material
    address: str
    port: int
    server_name: str
    unit: str
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`served certificate ADDRESS:PORT`."""
        return f"served certificate {self.address}:{self.port}"

    def probe(self) -> str:
        """The served leaf's sha256. Another one is looked at again for a second: a reload hands
        over from old to new workers."""
        return (
            f"served() {{ {self._ask_command()}; }}\nfor _ in 1 2 3; do\n  now=$(served)\n"
            f'  case "$now" in *={self._shown_fingerprint()} | "") break ;; esac\n  sleep'
            ' 0.4\ndone\necho "served $now"'
        )

    def decide(self, seen: Reading) -> Change | None:
        """Reload the unit, and wait until it serves the new one."""
        now = (
            seen.out.strip().rpartition("=")[2].replace(":", "").lower() if "=" in seen.out else ""
        )
        if now == self.material.fingerprint:
            return None
        was = f"certificate {short_fingerprint(now)}" if now else "no certificate"
        where, wanted = f"{self.address}:{self.port}", short_fingerprint(self.material.fingerprint)
        script = (
            f"set -eu\nserved() {{ {self._ask_command()}; }}\n"
            f"systemctl reload {q(self.unit)}\nend=$(($(date +%s) + {DEADLINE}))\n"
            f'until served | grep -q "={self._shown_fingerprint()}"; do\n'
            '  if [ "$(date +%s)" -ge "$end" ]; then\n'
            "    echo"
            f" {q(f'{self.unit} was reloaded, but {where} does not serve certificate {wanted}')}"
            " >&2; exit 1\n"
            "  fi\n  sleep 0.2\ndone"
        )
        return Change(
            f"reload {self.unit}: {where} serves {was}, not {wanted}",
            (Shell(script, DEADLINE + 30),),
        )

    def _ask_command(self) -> str:
        return asking_command(
            self.address, self.port, self.server_name, "-noout -fingerprint -sha256"
        )

    def _shown_fingerprint(self) -> str:
        """The fingerprint as openssl prints it."""
        return bytes.fromhex(self.material.fingerprint).hex(":").upper()

    def predict(self, seen: Reading, planned: Iterable[str]) -> Reading:
        """A reload or restart that is owed makes the daemon read the new pair."""
        mended = {f"reload:{self.unit}", f"restart:{self.unit}"} & set(planned)
        return (
            Reading(f"served sha256 Fingerprint={self._shown_fingerprint()}\n", 0)
            if mended
            else seen
        )


def short_fingerprint(fingerprint: str) -> str:
    """The first 16 digits of a fingerprint, for people."""
    return fingerprint[:16]


def asking_command(address: str, port: int, server_name: str, form: str = "") -> str:
    """Shell command that prints the leaf a TLS server at `address` shows, as `openssl x509 FORM`
    does; nothing without one.

    Waits 3 s at most. A numeric `server_name` is not sent: RFC 6066 knows only DNS names there.
    Nothing is verified, so the machine's authorities need not be loaded, which took half of the
    time (70 to 100 ms, then 30 to 40).
    """
    name = f"-servername {q(server_name)}" if server_name.strip("0123456789.") else "-noservername"
    client = (
        f"openssl s_client -no-CAfile -no-CApath -no-CAstore {name} -connect"
        f" {q(f'{address}:{port}')}"
    )
    return f"timeout 3 {client} </dev/null 2>/dev/null | openssl x509 {form} 2>/dev/null"
