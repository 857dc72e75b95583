"""Steps for a certificate and its key: the pair on the host, and the certificate that a daemon
serves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..engine.command import Shell
from ..engine.secret import Secret
from ..engine.shell import Reading, embed_bytes, q
from ..engine.step import Change, Step

RELOAD_SECONDS = 30
"""A reloaded daemon must serve the new certificate within this time."""


@dataclass(frozen=True)
class Material:
    """A certificate and its key. The caller has checked that they belong together.

    `chain` is PEM: the leaf first, then the intermediates, without the root. `key` is PEM (PKCS#8),
    not encrypted. `fingerprint` is the sha256 of the leaf's DER in hex. `subject` and `not_after`
    are only shown to people.
    """

    chain: str = field(repr=False)
    key: Secret
    fingerprint: str
    subject: str = ""
    not_after: str = ""

    @property
    def id(self) -> str:
        """The name of the pair's folder on a host: 12 digits of the chain's sha256.

        The leaf holds the public key, so the chain alone identifies the pair.
        """
        return hashlib.sha256(self.chain.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Certificate(Step):
    """`<folder>/current` points to `<id>`, which holds `chain.pem` and `key.pem`. Only root and
    `group` can read the key.

    One rename switches `current`, so a daemon reads either the old pair or the new pair, never a
    mix. `<folder>/previous` points to the pair before.
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
        """Read the target of `current`, owner and mode of each part, and compare the checksums.

        The key itself never leaves the host.
        """
        pair = self.material.id
        return (
            f"cd {q(self.folder)} 2>/dev/null || {{ echo absent; exit 0; }}\n"
            'echo "current $(readlink current)"\n'
            f"for part in . {pair} {pair}/chain.pem {pair}/key.pem; do"
            " stat -c '%n %U:%G %a' $part 2>/dev/null; done\n"
            f"sha256sum --status -c <<'SUMS' && echo same\n{self._sum_lines()}SUMS\ntrue"
        )

    def decide(self, seen: Reading) -> Change | None:
        """Install the pair and switch `current` to it, or repair an installed pair."""
        lines, wanted = seen.out.splitlines(), self._wanted_lines()
        if lines == wanted:
            return None
        description = (
            f"{self.material.subject}, until {self.material.not_after},"
            f" {short_fingerprint(self.material.fingerprint)}"
        )
        verb = "repair" if wanted[0] in lines else "install"
        return Change(
            f"{verb} the certificate in {self.folder} ({description})",
            (Shell(self._install_script()),),
        )

    def _wanted_lines(self) -> list[str]:
        """The output of the probe when the pair is installed correctly."""
        pair = self.material.id
        return [
            f"current {pair}",
            f". root:{self.group} 750",
            f"{pair} root:{self.group} 750",
            f"{pair}/chain.pem root:root 644",
            f"{pair}/key.pem root:{self.group} 640",
            "same",
        ]

    def find_differences(self, seen: Reading) -> list[str]:
        """One clause for each part that differs from the installed pair.

        A running daemon may still serve the pair that it read earlier.
        """
        lines = seen.out.splitlines()
        if "absent" in lines or not lines:
            return [f"{self.folder} is missing"]
        *parts, same = self._wanted_lines()
        found = dict(line.split(" ", 1) for line in lines if " " in line)
        differences = []
        for name, wanted in (part.split(" ", 1) for part in parts):
            path = self.folder if name == "." else f"{self.folder}/{name}"
            if name not in found:
                differences.append(f"{path} is missing")
            elif found[name] != wanted:
                differences.append(f"{path} is {found[name] or 'no link'}, not {wanted}")
        if not differences and same not in lines:
            differences.append(
                f"chain or key in {self.folder}/{self.material.id} has changed since it was"
                " installed"
            )
        return differences

    def _sum_lines(self) -> str:
        parts = {"chain.pem": self.material.chain, "key.pem": self.material.key.reveal()}
        return "".join(
            f"{hashlib.sha256(text.encode()).hexdigest()}  {self.material.id}/{name}\n"
            for name, text in parts.items()
        )

    def _install_script(self) -> str:
        """Write the pair beside the old one, let the host's openssl check it, then switch."""
        pair, group = self.material.id, q(self.group)
        return "\n".join(
            [
                "set -eu",
                f"install -d -o root -g {group} -m 0750 {q(self.folder)}",
                f"cd {q(self.folder)}",
                "rm -rf .new.??????",  # left by a killed run
                # mktemp makes the folder 0700: only root can read the key until chown below.
                "new=$(mktemp -d .new.XXXXXX)",
                "trap 'rm -rf \"$new\"' EXIT",
                embed_bytes(self.material.chain.encode(), to='"$new"/chain.pem'),
                embed_bytes(self.material.key.reveal().encode(), to='"$new"/key.pem'),
                'leaf=$(openssl x509 -noout -pubkey <"$new"/chain.pem)',
                'key=$(openssl pkey -pubout <"$new"/key.pem)',
                (
                    '[ "$leaf" = "$key" ] ||'
                    ' { echo "the key does not belong to the certificate" >&2; exit 65; }'
                ),
                'chown root:root "$new"/chain.pem; chmod 0644 "$new"/chain.pem',
                f'chown root:{group} "$new"/key.pem; chmod 0640 "$new"/key.pem',
                'sync "$new"/chain.pem "$new"/key.pem',
                f"install -d -o root -g {group} -m 0750 {pair}",
                f'mv -fT "$new"/chain.pem {pair}/chain.pem; mv -fT "$new"/key.pem {pair}/key.pem',
                "old=$(readlink current || true)",
                f'if [ -n "$old" ] && [ "$old" != {pair} ]; then ln -sfn "$old" previous; fi',
                f"ln -sfn {pair} .current.new; mv -fT .current.new current",
                # Remove all pairs but the current and the previous one; an id has 12 digits.
                "for old_pair in ????????????; do",
                f'  case "$old_pair" in {pair} | "$(readlink previous)") ;;',
                '  *) if [ -f "$old_pair"/key.pem ]; then rm -rf "$old_pair"; fi ;;',
                "  esac",
                "done",
            ]
        )


@dataclass(frozen=True)
class Served(Step):
    """The daemon of `unit` serves this certificate at `address`:`port` for `server_name`. An empty
    `server_name` asks for no name."""

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
        """Read the sha256 of the served leaf.

        Another certificate is read again for about a second: after a reload the old workers
        may still answer.
        """
        return (
            f"served() {{ {self._fingerprint_command()}; }}\n"
            "for _ in 1 2 3; do\n  now=$(served)\n"
            f'  case "$now" in *={self._shown_fingerprint()} | "") break ;; esac\n'
            '  sleep 0.4\ndone\necho "served $now"'
        )

    def decide(self, seen: Reading) -> Change | None:
        """Reload the unit, and wait until it serves the new certificate."""
        _, equals, printed = seen.out.strip().rpartition("=")
        now = printed.replace(":", "").lower() if equals else ""
        if now == self.material.fingerprint:
            return None
        was = f"certificate {short_fingerprint(now)}" if now else "no certificate"
        where = f"{self.address}:{self.port}"
        wanted = short_fingerprint(self.material.fingerprint)
        problem = f"{self.unit} was reloaded, but {where} does not serve certificate {wanted}"
        script = (
            f"set -eu\nserved() {{ {self._fingerprint_command()}; }}\n"
            f"systemctl reload {q(self.unit)}\nend=$(($(date +%s) + {RELOAD_SECONDS}))\n"
            f'until served | grep -q "={self._shown_fingerprint()}"; do\n'
            '  if [ "$(date +%s)" -ge "$end" ]; then\n'
            f"    echo {q(problem)} >&2; exit 1\n"
            "  fi\n  sleep 0.2\ndone"
        )
        return Change(
            f"reload {self.unit}: {where} serves {was}, not {wanted}",
            (Shell(script, RELOAD_SECONDS + 30),),
        )

    def _fingerprint_command(self) -> str:
        return served_certificate_command(
            self.address, self.port, self.server_name, "-noout -fingerprint -sha256"
        )

    def _shown_fingerprint(self) -> str:
        """The fingerprint as openssl prints it."""
        return bytes.fromhex(self.material.fingerprint).hex(":").upper()

    def predict(self, seen: Reading, planned: Iterable[str]) -> Reading:
        """With a planned reload or restart the daemon reads the new pair."""
        if {f"reload:{self.unit}", f"restart:{self.unit}"} & set(planned):
            return Reading(f"served sha256 Fingerprint={self._shown_fingerprint()}\n", 0)
        return seen


def short_fingerprint(fingerprint: str) -> str:
    """The first 16 digits of a fingerprint, as messages show it."""
    return fingerprint[:16]


def served_certificate_command(address: str, port: int, server_name: str, form: str = "") -> str:
    """Shell command that prints the leaf that a TLS server at `address` serves, as `openssl x509
    FORM` prints it. It prints nothing without a certificate, and waits 3 s at most.

    A numeric `server_name` is not sent: RFC 6066 allows only DNS names. The command verifies
    nothing, so it does not load the host's certificate authorities; loading them took half of the
    time (70 to 100 ms with them, 30 to 40 ms without).
    """
    name = f"-servername {q(server_name)}" if server_name.strip("0123456789.") else "-noservername"
    client = (
        f"openssl s_client -no-CAfile -no-CApath -no-CAstore {name} -connect"
        f" {q(f'{address}:{port}')}"
    )
    return f"timeout 3 {client} </dev/null 2>/dev/null | openssl x509 {form} 2>/dev/null"
