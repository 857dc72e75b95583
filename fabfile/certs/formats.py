"""What a file is that is no certificate or key in PEM, and the command that makes one of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs7

Told = tuple[str, str]
"""What the file is, as the end of a sentence, and what to type."""

REQUEST = "send it to whoever issues certificates, and set tls.certificate to what comes back"
NO_PRIVATE = "set tls.key to the file that holds the private key"
CSR: Told = ("is a certificate request (CSR), not a certificate", REQUEST)
PUBLIC: Told = ("holds a public key only", NO_PRIVATE)
PKCS7: Told = (
    "is PKCS#7 (.p7b): certificates in a form that nginx does not read",
    "{p7b}, then set tls.certificate to it",
)

LABELS: dict[str, Told] = {
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
"""By the words of a PEM block's first line; an earlier one wins."""

KEYSTORES = (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")
"""How the two kinds of Java keystore begin."""

DER: list[tuple[Callable[[bytes], object], Told]] = [
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
    """The file's content without what Windows editors put in front of it: UTF-16 becomes plain
    text, a mark of order goes."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace").encode()
    return content.removeprefix(b"\xef\xbb\xbf")


def recognise(file: Path, content: bytes) -> Told | None:
    """What `file` is, and what to do about it; None for what holds a PEM certificate or key, or
    is not known."""
    labels = re.findall(rb"-----BEGIN ([A-Z0-9 ]+)-----", content)
    found = next((told for label, told in LABELS.items() if label.encode() in labels), None)
    if labels and not found:
        return None
    form = "PEM" if labels else "DER"
    found = found or _binary(content)
    if found is None:
        return None
    p7b = f"openssl pkcs7 -inform {form} -print_certs -in {file} -out {file}.pem"
    return found[0], found[1].format(file=file, p7b=p7b)


def _binary(content: bytes) -> Told | None:
    if content.startswith(KEYSTORES):
        convert = (
            "keytool -importkeystore -srckeystore {file} -destkeystore {file}.p12 -deststoretype"
            " PKCS12"
        )
        return ("is a Java keystore", convert)
    if content.lstrip()[:1] == b"<":
        return ("is a web page", "download the certificate itself")
    for load, told in DER:
        try:
            load(content)
        except Exception:  # whatever a parser makes of bytes that are something else
            continue
        return told
    return None
