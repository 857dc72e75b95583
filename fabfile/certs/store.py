"""The folder on the controller that holds the authority and what it issued. Of the private keys,
only the key of the leaf is ever copied to a host.

`ca.pem` (certificate and key) issues; `ca-next.pem` is prepared for a rotation; `ca-previous.pem`
(certificate only) is what a rotation replaced; `leaf.pem` is for the edges. `bundle.pem` holds
every authority that clients should trust and is derived from the other files. Each file is
replaced by a single rename, so the next run can continue after a killed run.
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
    """The store in `folder` for the site called `site`; `now` is the time for all checks."""

    def __init__(self, folder: Path, site: str, now: datetime | None = None) -> None:
        self.folder, self.site = folder, site
        self.now = now or datetime.now(UTC)

    @property
    def bundle(self) -> Path:
        """The file with which clients verify the edges."""
        return self.folder / BUNDLE

    @contextlib.contextmanager
    def hold_lock(self) -> Iterator[None]:
        """Hold the lock of this store, so that no other run issues from it.

        Raises:
            Locked: another run holds it.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder.chmod(0o700)
        with (self.folder / ".lock").open("w", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Locked(
                    f"another run is issuing from {self.folder}",
                    "two runs at once would overwrite each other's files",
                    "wait for it to end, then run the same command again",
                ) from None
            yield

    def load_pair(self, name: str) -> Pair | None:
        """Return the certificate and key in the file called `name`; None if there is no such file.

        Raises:
            RunbookError: the file is damaged or cannot be read.
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

    def load_certificate(self, name: str) -> x509.Certificate | None:
        """Return the first certificate in the file called `name`; None if there is no such file.

        Raises:
            RunbookError: the file is damaged or cannot be read.
        """
        if (text := self._read_file(name)) is None:
            return None
        try:
            return x509.load_pem_x509_certificate(text)
        except ValueError:
            raise self._damaged_error(name) from None

    def load_authorities(self) -> list[x509.Certificate]:
        """Return what clients should trust: the issuing authority, then the prepared and the
        replaced authority if they exist."""
        found = [self.load_certificate(name) for name in (CURRENT, NEXT, PREVIOUS)]
        return list(dict.fromkeys(filter(None, found)))

    def find_renewal_reason(self, wanted: Names) -> str:
        """Return why a leaf must be issued, as a clause; empty if the present leaf is good."""
        issuer = self.load_certificate(CURRENT)
        leaf = self.load_certificate(LEAF)
        if not issuer or not leaf:
            return "there is none"
        return authority.find_renewal_reason(leaf, issuer, wanted, self.now)

    def renew(self, wanted: Names, *, force: bool = False) -> str:
        """Issue a leaf if it is due or if `force` is set; make the authority first if needed.

        Returns why it issued a leaf, as a clause; empty if it did not. The caller must hold the
        lock (`hold_lock`).
        """
        reason = self.find_renewal_reason(wanted) or ("requested" if force else "")
        if reason:
            issuer = self.load_pair(CURRENT) or self.make_authority(CURRENT)
            self.write_file(LEAF, authority.issue_leaf(issuer, wanted, self.now))
        self.update_bundle()
        return reason

    def make_authority(self, name: str) -> Pair:
        """Make an authority in the file called `name`.

        The bundle gets it first, so that no authority can issue before the bundle has it.
        """
        made = authority.make_authority(self.site, self.now)
        self.update_bundle(made.certificate)
        self.write_file(name, made)
        return made

    def load_material(self, wanted: Names) -> Material:
        """Return the leaf and its key, verified as a strict client does.

        Raises:
            RunbookError: a client would reject the leaf, or there is no leaf.
        """
        pair, issuer = self.load_pair(LEAF), self.load_certificate(CURRENT)
        if not pair or not issuer:
            raise RunbookError(
                "no certificate was issued yet", "there is nothing to install", "inv certs.issue"
            )
        authority.verify_pair(pair, issuer, wanted, self.now)
        return authority.make_material([pair.certificate], pair.key)

    def write_file(self, name: str, pair: Pair | x509.Certificate) -> None:
        """Replace the file called `name` by a rename; only its owner can read it."""
        certificate, key = (pair.certificate, pair.key) if isinstance(pair, Pair) else (pair, None)
        text = certificate.public_bytes(serialization.Encoding.PEM)
        if key:
            text += key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        replace_file(self.folder / name, text, 0o600)

    def promote_next(self) -> None:
        """Let the prepared authority issue from now on. This deletes the key of the old one."""
        (self.folder / NEXT).replace(self.folder / CURRENT)

    def update_bundle(self, *more: x509.Certificate) -> None:
        """Rewrite the bundle from the other files, and add `more`, which are written next."""
        text = bundle_text(self.site, [*self.load_authorities(), *more])
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
            "restore it from a backup; or move it away, then inv certs.issue makes"
            f" {_REPLACEMENTS.get(name, 'a new file')}",
        )


_REPLACEMENTS = {
    CURRENT: "a new authority (which clients must then learn)",
    LEAF: "a new certificate",
}


def bundle_text(site: str, certificates: list[x509.Certificate]) -> bytes:
    """Return the certificates as PEM, after a comment that names the site.

    Readers of PEM skip text outside the blocks.
    """
    head = f"# {OURS}: what to trust at site {site}\n".encode()
    return head + b"".join(
        certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates
    )
