"""Recognise files that are not PEM, and name the command that converts them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs7

FileHint = tuple[str, str]
"""What the file is, as the end of a sentence, and the next command."""

REQUEST = "send it to whoever issues certificates, and set tls.certificate to what comes back"
NO_PRIVATE = "set tls.key to the file that holds the private key"
CSR: FileHint = ("is a certificate request (CSR), not a certificate", REQUEST)
PUBLIC: FileHint = ("holds a public key only", NO_PRIVATE)
PKCS7: FileHint = (
    "is PKCS#7 (.p7b): certificates in a form that nginx does not read",
    "{p7b}, then set tls.certificate to it",
)

LABELS: dict[str, FileHint] = {
    "PKCS7": PKCS7,
    "CMS": PKCS7,
    "CERTIFICATE REQUEST": CSR,
    "NEW CERTIFICATE REQUEST": CSR,
    "TRUSTED CERTIFICATE": (
        "is in openssl's own form of trusted certificates",
        "openssl x509 -in {file} -out {file}.pem",
    ),
    "X509 CRL": (
        "is a list of revoked certificates (CRL)",
        "set tls.certificate to the certificate",
    ),
    "PUBLIC KEY": PUBLIC,
    "RSA PUBLIC KEY": PUBLIC,
    "OPENSSH PRIVATE KEY": ("is a key for ssh", NO_PRIVATE),
    "PGP PRIVATE KEY BLOCK": ("is a key for PGP", NO_PRIVATE),
}
"""By the label in the first line of a PEM block; an earlier entry takes precedence."""

KEYSTORES = (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")
"""First bytes of the two kinds of Java keystore."""

DER: list[tuple[Callable[[bytes], object], FileHint]] = [
    (
        x509.load_der_x509_certificate,
        ("is a certificate in DER, not PEM", "openssl x509 -inform DER -in {file} -out {file}.pem"),
    ),
    (x509.load_der_x509_csr, CSR),
    (pkcs7.load_der_pkcs7_certificates, PKCS7),
    (
        lambda content: serialization.load_der_private_key(content, None),
        ("is a private key in DER, not PEM", "openssl pkey -inform DER -in {file} -out {file}.pem"),
    ),
    (serialization.load_der_public_key, PUBLIC),
]


def as_pem_text(content: bytes) -> bytes:
    """Return the content as Windows editors should have saved it: UTF-16 decoded, and without a
    byte order mark."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace").encode()
    return content.removeprefix(b"\xef\xbb\xbf")


def recognise_file(file: Path, content: bytes) -> FileHint | None:
    """Return what `file` is and the next command.

    None if it holds a PEM certificate or key, or if its format is not known.
    """
    labels = re.findall(rb"-----BEGIN ([A-Z0-9 ]+)-----", content)
    found = next((hint for label, hint in LABELS.items() if label.encode() in labels), None)
    if labels and not found:
        return None
    form = "PEM" if labels else "DER"
    found = found or _recognise_binary(content)
    if found is None:
        return None
    p7b = f"openssl pkcs7 -inform {form} -print_certs -in {file} -out {file}.pem"
    return found[0], found[1].format(file=file, p7b=p7b)


def _recognise_binary(content: bytes) -> FileHint | None:
    if content.startswith(KEYSTORES):
        convert = (
            "keytool -importkeystore -srckeystore {file} -destkeystore {file}.p12 -deststoretype"
            " PKCS12"
        )
        return ("is a Java keystore", convert)
    if content.lstrip()[:1] == b"<":
        return ("is a web page", "download the certificate itself")
    for load, hint in DER:
        try:
            load(content)
        except Exception:  # parsers raise many types for bytes of another format
            continue
        return hint
    return None
