"""Read the certificates and the key that the user provides, from PEM or PKCS#12."""

from __future__ import annotations

import re
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from ..engine.errors import RunbookError
from ..settings.settings import Tls
from .authority import Key
from .chain import PARSE_ERRORS, PEM
from .formats import as_pem_text, recognise_file

PRIVATE_KEY_LINE = re.compile(rb"-----BEGIN (?:RSA |EC |DSA |ENCRYPTED )?PRIVATE KEY-----")
"""First line of a private key that a web server can use."""


def certificate_path(tls: Tls) -> Path:
    """The file with the certificate, on a site that has its own."""
    assert tls.certificate, "only called if the site has a provided certificate"
    return tls.certificate


def read_files(tls: Tls) -> tuple[list[x509.Certificate], Key]:
    """Read all certificates, in any order, and the key from the files of the user.

    Raises:
        RunbookError: a file cannot be read or is of another kind, or the passphrase does not fit.
    """
    file = certificate_path(tls)
    content = _read_content(file)
    passphrase = _read_content(tls.passphrase_file).strip(b"\r\n") if tls.passphrase_file else None
    blocks = PEM.findall(content)
    if not blocks and (hint := recognise_file(file, content)):
        raise make_refusal(f"{file} {hint[0]}", hint[1])
    if b"-----BEGIN " not in content:
        return _read_pkcs12(file, content, passphrase)
    if not blocks:
        holds = (
            "a private key, but no certificate"
            if b"PRIVATE KEY-----" in content
            else "no certificate"
        )
        raise make_refusal(
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
        raise make_refusal(problem, "remove it, or copy it from its source again") from None


def _read_pkcs12(
    file: Path, content: bytes, passphrase: bytes | None
) -> tuple[list[x509.Certificate], Key]:
    try:
        key, leaf, others = pkcs12.load_key_and_certificates(content, passphrase)
    except ValueError as error:
        if "password" in str(error).lower() or "mac" in str(error).lower():
            raise _passphrase_error(file, passphrase) from None
        raise make_refusal(
            f"{file} is neither PEM nor PKCS#12", f"openssl pkcs12 -in {file} -info"
        ) from None
    if not key or not leaf:
        raise make_refusal(
            f"{file} lacks the {'certificate' if key else 'key'}", "export it again, with both"
        )
    return [leaf, *others], _check_key_fits(key, file)


def _read_key(file: Path, passphrase: bytes | None) -> Key:
    content = _read_content(file)
    begin = PRIVATE_KEY_LINE.search(content)
    if not begin and (hint := recognise_file(file, content)):
        raise make_refusal(f"{file} {hint[0]}", hint[1])
    if not begin:
        raise make_refusal(f"{file} holds no private key", "set tls.key to the file that does")
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
        raise make_refusal(
            f"the private key in {file} cannot be read", f"openssl pkey -in {file} -noout -check"
        ) from None


def _check_key_fits(key: object, file: Path) -> Key:
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(
        key.curve, ec.SECP256R1 | ec.SECP384R1
    ):
        return key
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048:
        return key
    raise make_refusal(
        f"browsers do not accept the key in {file}",
        "use a key of ECDSA P-256 or P-384, or RSA with at least 2048 bits",
    )


def _read_content(file: Path) -> bytes:
    try:
        return as_pem_text(file.read_bytes())
    except OSError as error:
        raise make_refusal(f"{file} cannot be read: {error.strerror}", f"ls -l {file}") from None


def _passphrase_error(file: Path, given: bytes | None) -> RunbookError:
    if given is None:
        return make_refusal(
            f"{file} is encrypted", "set tls.passphrase_file to a file that holds its passphrase"
        )
    return make_refusal(
        f"the passphrase does not open {file}", "put the right passphrase into tls.passphrase_file"
    )


def make_refusal(problem: str, next: str) -> RunbookError:
    """The error for files that cannot be used."""
    return RunbookError(
        problem, "clients would reject the certificate; nothing was installed", next
    )
