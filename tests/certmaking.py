"""Certificates for tests, good ones and every kind of bad one, made without the code that is
tested."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | dsa.DSAPrivateKey
NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


def new_key() -> ec.EllipticCurvePrivateKey:
    """ECDSA P-256."""
    return ec.generate_private_key(ec.SECP256R1())


@dataclass
class Maker:
    """What a certificate shall be like; `make` signs it with `issuer` (itself without one)."""

    common: str
    names: tuple[str, ...] = ()
    key: Key = field(default_factory=new_key)
    issuer: Maker | None = None
    start: datetime = NOW - DAY
    end: datetime = NOW + 60 * DAY
    authority: bool = False
    purpose: ObjectIdentifier | None = ExtendedKeyUsageOID.SERVER_AUTH

    def make(self) -> x509.Certificate:
        """Sign it."""
        signer = self.issuer or self
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(self.common))
            .issuer_name(_name(signer.common))
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.start)
            .not_valid_after(self.end)
            .add_extension(x509.BasicConstraints(self.authority, None), critical=True)
        )
        if self.names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([*map(_general, self.names)]), critical=False
            )
        if self.purpose and not self.authority:
            builder = builder.add_extension(x509.ExtendedKeyUsage([self.purpose]), critical=False)
        edwards = isinstance(signer.key, ed25519.Ed25519PrivateKey)
        return builder.sign(signer.key, None if edwards else hashes.SHA256())


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


ROOT = Maker("test root", authority=True, end=NOW + 3000 * DAY)
MIDDLE = Maker("test intermediate", authority=True, issuer=ROOT, end=NOW + 2000 * DAY)


def leaf(*names: str, **changes: object) -> Maker:
    """A good leaf from the intermediate, for `names`, with `changes`."""
    return replace(Maker(names[0] if names else "nobody", names, issuer=MIDDLE), **changes)  # type: ignore[arg-type]


def pem(*certificates: x509.Certificate) -> bytes:
    """PEM, in this order."""
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)


def key_pem(key: Key, passphrase: bytes | None = None) -> bytes:
    """PKCS#8, encrypted if there is a passphrase."""
    how = (
        serialization.BestAvailableEncryption(passphrase)
        if passphrase
        else serialization.NoEncryption()
    )
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)


def p12(
    key: Key,
    certificate: x509.Certificate,
    others: list[x509.Certificate],
    passphrase: bytes | None,
) -> bytes:
    """A PKCS#12 file."""
    how = (
        serialization.BestAvailableEncryption(passphrase)
        if passphrase
        else serialization.NoEncryption()
    )
    return pkcs12.serialize_key_and_certificates(b"edge", key, certificate, others, how)  # type: ignore[arg-type]


def put(folder: Path, name: str, content: bytes) -> Path:
    """Write a file."""
    path = folder / name
    path.write_bytes(content)
    return path
