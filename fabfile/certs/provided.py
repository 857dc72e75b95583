"""The certificate that the user provides: read from PEM or PKCS#12, and checked.

A certificate that clients would reject is refused here, with the reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID

from ..engine.errors import RunbookError
from ..settings.settings import Settings, Tls
from ..steps.cert import Material
from .authority import Key, make_material, read_alternative_names
from .chain import PARSE_ERRORS, PEM, Chain, build_chain, trusted_roots
from .formats import as_pem_text, recognise_file
from .names import called_names

PRIVATE_KEY_LINE = re.compile(rb"-----BEGIN (?:RSA |EC |DSA |ENCRYPTED )?PRIVATE KEY-----")
"""First line of a private key that a web server can use."""


@dataclass(frozen=True)
class ProvidedCertificate:
    """The leaf that the user provides, and the files that the edges get."""

    leaf: x509.Certificate
    material: Material


def load_provided(settings: Settings, now: datetime | None = None) -> ProvidedCertificate:
    """Read and check the files of the user, and put the chain in order, without its root.

    Raises:
        RunbookError: a file cannot be read; the key does not match; the certificate is expired,
            not yet valid, for other names or purposes, or weakly signed; or the chain to a root
            is incomplete.
    """
    file = _certificate_path(settings.tls)
    try:
        return _load_file(settings, file, now or datetime.now(UTC))
    except PARSE_ERRORS as error:
        detail = str(error) or type(error).__name__
        raise _make_refusal(
            f"{file} cannot be understood: {detail}", f"openssl x509 -noout -text -in {file}"
        ) from None


def _load_file(settings: Settings, file: Path, now: datetime) -> ProvidedCertificate:
    certificates, key = _read_files(settings.tls)
    leaf = next((part for part in certificates if _belongs_to(part, key)), None)
    if leaf is None:
        raise _make_refusal(
            f"the key does not match the certificate in {file}",
            "set tls.key to the key it was issued for",
        )
    chain = build_chain(leaf, certificates, trusted_roots(), lambda part: not _rejection(part, now))
    for part in chain.certificates:
        what = "the certificate" if part is leaf else "an intermediate certificate"
        if rejection := _rejection(part, now):
            raise _make_refusal(f"{what} in {file} {rejection[0]}", rejection[1])
    _check_root(chain, now, file)
    _check_purpose(leaf, file)
    users = called_names(settings)
    if missing := users.missing(read_alternative_names(leaf)):
        raise _make_refusal(
            f"the certificate in {file} is not for {', '.join(missing)}, but for"
            f" {str(read_alternative_names(leaf)) or 'no name at all'}",
            "have it issued for what users call, or set tls.names and service to what it is for",
        )
    return ProvidedCertificate(leaf, make_material(list(chain.certificates), key))


def _certificate_path(tls: Tls) -> Path:
    assert tls.certificate, "only called if the site has a provided certificate"
    return tls.certificate


def _read_files(tls: Tls) -> tuple[list[x509.Certificate], Key]:
    """Read all certificates, in any order, and the key from the files of the user."""
    file = _certificate_path(tls)
    content = _read_content(file)
    passphrase = _read_content(tls.passphrase_file).strip(b"\r\n") if tls.passphrase_file else None
    blocks = PEM.findall(content)
    if not blocks and (hint := recognise_file(file, content)):
        raise _make_refusal(f"{file} {hint[0]}", hint[1])
    if b"-----BEGIN " not in content:
        return _read_pkcs12(file, content, passphrase)
    if not blocks:
        holds = (
            "a private key, but no certificate"
            if b"PRIVATE KEY-----" in content
            else "no certificate"
        )
        raise _make_refusal(
            f"{file} holds {holds} that can be read", "set tls.certificate to the file that does"
        )
    certificates = [
        _load_certificate(file, number, block) for number, block in enumerate(blocks, 1)
    ]
    return certificates, _read_key(tls.key or file, passphrase)


def _load_certificate(file: Path, number: int, block: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(block)
    except PARSE_ERRORS:
        problem = f"certificate number {number} in {file} cannot be read"
        raise _make_refusal(problem, "remove it, or copy it from its source again") from None


def _read_pkcs12(
    file: Path, content: bytes, passphrase: bytes | None
) -> tuple[list[x509.Certificate], Key]:
    try:
        key, leaf, others = pkcs12.load_key_and_certificates(content, passphrase)
    except ValueError as error:
        if "password" in str(error).lower() or "mac" in str(error).lower():
            raise _passphrase_error(file, passphrase) from None
        raise _make_refusal(
            f"{file} is neither PEM nor PKCS#12", f"openssl pkcs12 -in {file} -info"
        ) from None
    if not key or not leaf:
        raise _make_refusal(
            f"{file} lacks the {'certificate' if key else 'key'}", "export it again, with both"
        )
    return [leaf, *others], _check_key_fits(key, file)


def _read_key(file: Path, passphrase: bytes | None) -> Key:
    content = _read_content(file)
    begin = PRIVATE_KEY_LINE.search(content)
    if not begin and (hint := recognise_file(file, content)):
        raise _make_refusal(f"{file} {hint[0]}", hint[1])
    if not begin:
        raise _make_refusal(f"{file} holds no private key", "set tls.key to the file that does")
    encrypted = b"ENCRYPTED" in content
    try:
        return _check_key_fits(
            serialization.load_pem_private_key(
                content[begin.start() :], passphrase if encrypted else None
            ),
            file,
        )
    except TypeError:
        raise _passphrase_error(file, passphrase) from None
    except ValueError:
        if encrypted:
            raise _passphrase_error(file, passphrase) from None
        raise _make_refusal(
            f"the private key in {file} cannot be read", f"openssl pkey -in {file} -noout -check"
        ) from None


def _check_key_fits(key: object, file: Path) -> Key:
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(
        key.curve, ec.SECP256R1 | ec.SECP384R1
    ):
        return key
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048:
        return key
    raise _make_refusal(
        f"browsers do not accept the key in {file}",
        "use a key of ECDSA P-256 or P-384, or RSA with at least 2048 bits",
    )


def _belongs_to(certificate: x509.Certificate, key: Key) -> bool:
    try:
        return certificate.public_key() == key.public_key()
    except PARSE_ERRORS:  # an unknown type of key cannot match
        return False


def _check_root(chain: Chain, now: datetime, file: Path) -> None:
    last, root = chain.certificates[-1], chain.root
    if root is None:
        raise _make_refusal(
            f"the chain in {file} is incomplete: this machine does not"
            f" know «{last.issuer.rfc4514_string()}»",
            "append the intermediate certificates to it, and the root if it is private",
        )
    if root is not last and (rejection := _rejection(root, now)):
        name = root.subject.rfc4514_string()
        raise _make_refusal(
            f"the chain in {file} ends at a root that {rejection[0]}: «{name}»",
            "have it issued under another root",
        )


def _rejection(certificate: x509.Certificate, now: datetime) -> tuple[str, str] | None:
    """Return why clients reject it today, as the end of a sentence, and what to do; None if they
    accept it.

    Clients reject a signature with a broken hash, except a root's own, which they do not check.
    """
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now >= end:
        return f"expired on {end:%Y-%m-%d}", "have it renewed"
    if now < start:
        return f"is valid only from {start:%Y-%m-%d %H:%M} UTC", "wait, or check the clock"
    algorithm = certificate.signature_hash_algorithm
    if (
        algorithm
        and algorithm.name in ("md5", "sha1")
        and certificate.issuer != certificate.subject
    ):
        return f"is signed with {algorithm.name.upper()}", "have it issued again with SHA-256"
    return None


def _check_purpose(leaf: x509.Certificate, file: Path) -> None:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(
        usage
    ):
        raise _make_refusal(
            f"the certificate in {file} is not for servers",
            "have it issued for TLS server authentication",
        )


def _read_content(file: Path) -> bytes:
    try:
        return as_pem_text(file.read_bytes())
    except OSError as error:
        raise _make_refusal(f"{file} cannot be read: {error.strerror}", f"ls -l {file}") from None


def _passphrase_error(file: Path, given: bytes | None) -> RunbookError:
    if given is None:
        return _make_refusal(
            f"{file} is encrypted", "set tls.passphrase_file to a file that holds its passphrase"
        )
    return _make_refusal(
        f"the passphrase does not open {file}", "put the right passphrase into tls.passphrase_file"
    )


def _make_refusal(problem: str, next: str) -> RunbookError:
    return RunbookError(
        problem, "clients would reject the certificate; nothing was installed", next
    )
