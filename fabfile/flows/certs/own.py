"""The user's own certificate: read from PEM or PKCS#12, and refused by name when clients would refuse it."""

from __future__ import annotations

import ssl
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID

from ...engine.errors import RunbookError
from ...settings import Settings, Tls
from ...steps.cert import Material
from .authority import Key, issued_by, named
from .authority import material as as_material
from .names import called

MACHINE = Path("/etc/ssl/certs/ca-certificates.crt")
"""What Debian trusts, in one file."""


@dataclass(frozen=True)
class Own:
    """The user's leaf and what is installed of it."""

    leaf: x509.Certificate
    material: Material


def load(settings: Settings, now: datetime | None = None) -> Own:
    """Read, order and check the user's own files. The root, if it is in the file, is not installed.

    Raises:
        RunbookError: a file cannot be read; the key does not fit; it is expired, not yet valid, for other names or
            purposes, weakly signed; or the chain to a root lacks a part.
    """
    file = _certificate(settings.tls)
    try:
        return _load(settings, file, now or datetime.now(UTC))
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        said = str(error) or type(error).__name__
        raise _refused(f"{file} holds something odd: {said}", "openssl x509 -noout -text -in it") from None


def _load(settings: Settings, file: Path, now: datetime) -> Own:
    certificates, key = _read(settings.tls)
    leaf = next((one for one in certificates if one.public_key() == key.public_key()), None)
    if leaf is None:
        raise _refused(f"the key does not match the certificate in {file}", "set tls.key to the key it was issued for")
    for one in certificates:
        _strong(one, file)
    chain = _chain(leaf, certificates, file)
    for one in chain:
        _current(one, now, "the certificate" if one is leaf else "an intermediate certificate", file)
    _purpose(leaf, file)
    users = called(settings)
    if missing := users.missing(named(leaf)):
        raise _refused(
            f"the certificate in {file} is not for {', '.join(missing)}, but for {str(named(leaf)) or 'no name at all'}",
            "have it issued for what users call, or set tls.names and service to what it is for",
        )
    return Own(leaf, as_material(chain, key))


def _certificate(tls: Tls) -> Path:
    assert tls.certificate, "only called for a user's own certificate"
    return tls.certificate


def _read(tls: Tls) -> tuple[list[x509.Certificate], Key]:
    """Everything in the user's files, whatever the order."""
    file = _certificate(tls)
    content = _content(file)
    passphrase = _content(tls.passphrase_file).strip(b"\r\n") if tls.passphrase_file else None
    if b"-----BEGIN " not in content:
        return _pkcs12(file, content, passphrase)
    try:
        certificates = x509.load_pem_x509_certificates(content)
    except ValueError:
        raise _refused(f"{file} holds no certificate that can be read", "openssl x509 -in it -noout -text") from None
    return certificates, _key(tls.key or file, passphrase)


def _pkcs12(file: Path, content: bytes, passphrase: bytes | None) -> tuple[list[x509.Certificate], Key]:
    try:
        key, leaf, others = pkcs12.load_key_and_certificates(content, passphrase)
    except ValueError as error:
        if "password" in str(error).lower() or "mac" in str(error).lower():
            raise _passphrase(file, passphrase) from None
        raise _refused(f"{file} is neither PEM nor PKCS#12", "openssl pkcs12 -in it -info") from None
    if not key or not leaf:
        raise _refused(f"{file} lacks the {'certificate' if key else 'key'}", "export it again, with both")
    return [leaf, *others], _fit(key, file)


def _key(file: Path, passphrase: bytes | None) -> Key:
    content = _content(file)
    start = content.find(b"-----BEGIN ", max(content.find(b"PRIVATE KEY-----") - 30, 0))
    if b"PRIVATE KEY-----" not in content:
        raise _refused(f"{file} holds no private key", "set tls.key to the file that does")
    encrypted = b"ENCRYPTED" in content
    try:
        return _fit(serialization.load_pem_private_key(content[start:], passphrase if encrypted else None), file)
    except TypeError:
        raise _passphrase(file, passphrase) from None
    except ValueError:
        if encrypted:
            raise _passphrase(file, passphrase) from None
        raise _refused(f"the private key in {file} cannot be read", "openssl pkey -in it -noout -check") from None


def _fit(key: object, file: Path) -> Key:
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1):
        return key
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048:
        return key
    raise _refused(
        f"the key in {file} is none that browsers take",
        "have one issued for ECDSA P-256 or P-384, or RSA from 2048 bits",
    )


def _chain(leaf: x509.Certificate, others: list[x509.Certificate], file: Path) -> list[x509.Certificate]:
    """Leaf and intermediates up to, and without, a root: one in the file, one this machine trusts, or the leaf itself."""
    chain = [leaf]
    while chain[-1].issuer != chain[-1].subject:
        issuer = next((one for one in others if one not in chain and _issues(one) and issued_by(chain[-1], one)), None)
        if issuer is None:
            if any(issued_by(chain[-1], root) for root in _trusted() if root.subject == chain[-1].issuer):
                return chain
            raise _refused(
                f"the chain in {file} is incomplete: nobody here knows «{chain[-1].issuer.rfc4514_string()}»",
                "append the intermediate certificates (and the root, if it is a private one) to it",
            )
        chain.append(issuer)
    return chain[:-1] or chain


def _issues(certificate: x509.Certificate) -> bool:
    """Whether it may have issued others: anybody's leaf can sign, but no client believes that."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _trusted() -> list[x509.Certificate]:
    """The roots this machine trusts."""
    found = []
    for path in {MACHINE, Path(ssl.get_default_verify_paths().cafile or MACHINE)}:
        if path.exists():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # some roots bear odd serials
                found += x509.load_pem_x509_certificates(path.read_bytes())
    return found


def _current(certificate: x509.Certificate, now: datetime, what: str, file: Path) -> None:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now >= end:
        raise _refused(f"{what} in {file} expired on {end:%Y-%m-%d}", "have it renewed")
    if now < start:
        raise _refused(f"{what} in {file} is valid only from {start:%Y-%m-%d %H:%M} UTC", "wait, or check the clock")


def _strong(certificate: x509.Certificate, file: Path) -> None:
    """Nobody looks at a root's own signature; clients refuse any other that rests on a broken hash."""
    algorithm = certificate.signature_hash_algorithm
    if algorithm and algorithm.name in ("md5", "sha1") and certificate.issuer != certificate.subject:
        raise _refused(f"a certificate in {file} is signed with {algorithm.name.upper()}", "have it issued anew")


def _purpose(leaf: x509.Certificate, file: Path) -> None:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(usage):
        raise _refused(f"the certificate in {file} is not for servers", "have one issued for TLS server authentication")


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise _refused(f"{file} cannot be read: {error.strerror}", f"ls -l {file}") from None


def _passphrase(file: Path, given: bytes | None) -> RunbookError:
    if given is None:
        return _refused(f"{file} is encrypted", "set tls.passphrase_file to a file that holds its passphrase")
    return _refused(f"the passphrase does not open {file}", "put the right one into tls.passphrase_file")


def _refused(seen: str, next: str) -> RunbookError:
    return RunbookError(seen, "clients would be turned away; nothing was installed", next)
