"""The folder on the controller that holds the authority and what it issued. Nothing of it but the
leaf ever leaves.

`ca.pem` (certificate and key) issues; `ca-next.pem` is prepared for a rotation; `ca-previous.pem`
(certificate only) is what a rotation replaced; `leaf.pem` is the edges'. `bundle.pem` holds every
authority that clients should trust and follows from the others. Each file is replaced in one
rename, so a killed run leaves a state that the next one goes on from.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ..engine.errors import Locked, RunbookError
from ..engine.files import replace_file
from ..settings.paths import OURS
from ..steps.cert import Material
from . import authority
from .authority import Pair
from .names import Names

CURRENT = "ca.pem"
NEXT = "ca-next.pem"
PREVIOUS = "ca-previous.pem"
LEAF = "leaf.pem"
BUNDLE = "bundle.pem"


class Store:
    """The store in `folder` for the site called `site`; `now` is when everything is judged."""

    def __init__(self, folder: Path, site: str, now: datetime | None = None) -> None:
        self.folder, self.site = folder, site
        self.now = now or datetime.now(UTC)

    @property
    def bundle(self) -> Path:
        """The file that clients verify with."""
        return self.folder / BUNDLE

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Alone at work on this store.

        Raises:
            Locked: another run is.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder.chmod(0o700)
        with (self.folder / ".lock").open("w", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Locked(
                    f"another run is issuing from {self.folder}",
                    "two at once would undo each other",
                    "wait; then again",
                ) from None
            yield

    def pair(self, name: str) -> Pair | None:
        """The certificate and key in the file called `name`; None without that file.

        Raises:
            RunbookError: it is damaged.
        """
        if (text := self._read_file(name)) is None:
            return None
        blocks = re.split(rb"(?=-----BEGIN [A-Z ]*PRIVATE KEY-----)", text)
        try:
            key = serialization.load_pem_private_key(blocks[-1], None)
            if isinstance(key, ec.EllipticCurvePrivateKey):
                return Pair(x509.load_pem_x509_certificate(blocks[0]), key)
        except (ValueError, TypeError):
            pass
        raise self._damaged_error(name)

    def certificate(self, name: str) -> x509.Certificate | None:
        """The first certificate in the file called `name`; None without that file.

        Raises:
            RunbookError: it is damaged.
        """
        if (text := self._read_file(name)) is None:
            return None
        try:
            return x509.load_pem_x509_certificate(text)
        except ValueError:
            raise self._damaged_error(name) from None

    def authorities(self) -> list[x509.Certificate]:
        """What clients should trust: the issuing authority first, then the prepared one, then
        the replaced one."""
        found = [self.certificate(name) for name in (CURRENT, NEXT, PREVIOUS)]
        return list(dict.fromkeys(one for one in found if one))

    def due(self, wanted: Names) -> str:
        """Why a leaf must be issued, as a clause; empty when none must be."""
        issuer, leaf = self.certificate(CURRENT), self.certificate(LEAF)
        if not issuer or not leaf:
            return "there is none"
        return authority.renewal_reason(leaf, issuer, wanted, self.now)

    def renew(self, wanted: Names, *, force: bool = False) -> str:
        """Issue what is due (with `force` a leaf in any case); why, as a clause, or empty when
        nothing was.

        Must run `locked`.
        """
        reason = self.due(wanted) or ("asked for" if force else "")
        if reason:
            issuer = self.pair(CURRENT) or self.make(CURRENT)
            self.write(LEAF, authority.issue_leaf(issuer, wanted, self.now))
        self.settle()
        return reason

    def make(self, name: str) -> Pair:
        """A new authority in the file called `name`; the bundle has it first."""
        made = authority.make_authority(self.site, self.now)
        self.settle(made.certificate)
        self.write(name, made)
        return made

    def material(self, wanted: Names) -> Material:
        """The leaf and its key, seen through the eyes of a strict client.

        Raises:
            RunbookError: it would be refused, or there is none.
        """
        pair, issuer = self.pair(LEAF), self.certificate(CURRENT)
        if not pair or not issuer:
            raise RunbookError(
                "no certificate was issued yet", "there is nothing to install", "inv certs.issue"
            )
        authority.prove_pair(pair, issuer, wanted, self.now)
        return authority.make_material([pair.certificate], pair.key)

    def write(self, name: str, pair: Pair | x509.Certificate) -> None:
        """Replace the file called `name` in one rename, readable by its owner only."""
        certificate, key = (pair.certificate, pair.key) if isinstance(pair, Pair) else (pair, None)
        text = certificate.public_bytes(serialization.Encoding.PEM)
        if key:
            text += key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        replace_file(self.folder / name, text, 0o600)

    def promote(self) -> None:
        """The prepared authority issues from now on; the key of the one before it is gone with
        this rename."""
        (self.folder / NEXT).replace(self.folder / CURRENT)

    def settle(self, *more: x509.Certificate) -> None:
        """Make the bundle say what the other files say (and `more`, which is about to join
        them)."""
        text = bundle_text(self.site, [*self.authorities(), *more])
        if self._read_file(BUNDLE) != text:
            replace_file(self.bundle, text, 0o644)

    def _read_file(self, name: str) -> bytes | None:
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RunbookError(
                f"{self.folder / name} cannot be read: {error.strerror}",
                "without it nothing can be issued or compared; nothing was changed",
                f"ls -l {self.folder / name}; run this as its owner",
            ) from None

    def _damaged_error(self, name: str) -> RunbookError:
        return RunbookError(
            f"{self.folder / name} is damaged: no certificate with its key can be read from it",
            "nothing was issued from it or installed",
            "bring it back from a backup; or move it away, then inv certs.issue makes"
            f" {_ANEW.get(name, 'it')} anew",
        )


_ANEW = {CURRENT: "an authority (which clients must then learn)", LEAF: "a certificate"}


def bundle_text(site: str, certificates: list[x509.Certificate]) -> bytes:
    """Certificates as PEM, headed by whose they are (readers of PEM skip what stands outside the
    blocks)."""
    head = f"# {OURS}: what to trust at site {site}\n".encode()
    return head + b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)
