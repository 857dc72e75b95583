"""An authority of our own and what it issues: ECDSA P-256 throughout (Mozilla's profile has no
Ed25519; browsers take none)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from ..engine.errors import RunbookError
from ..engine.secret import Secret
from ..steps.cert import Material
from .names import Names, sort_names

LIFE = timedelta(days=90)
"""Of a leaf. Mozilla's guideline 6.0 recommends it; it is renewed when two thirds are over."""
AUTHORITY_LIFE = timedelta(days=3652)
BACKDATE = timedelta(minutes=10)
"""Clients' clocks may be behind by this much."""
_MOST = 64
"""X.520's upper bound of a common name."""
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
"""What browsers take; ours are the former."""


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)


def make_authority(site: str, now: datetime) -> Pair:
    """A new self-signed authority that may issue leaves only (path length 0), for ten years."""
    key = ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number()
    name = _x509_name(
        f"{site[:32]} runbook authority {serial % 16**8:08x}"
    )  # its own: clients tell authorities by it
    builder = _certificate_builder(
        name, name, key.public_key(), serial, now - BACKDATE, now + AUTHORITY_LIFE
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(authority=True), critical=True)
    return Pair(builder.sign(key, hashes.SHA256()), key)


def issue_leaf(authority: Pair, wanted: Names, now: datetime) -> Pair:
    """A new leaf with a new key for `wanted`, for 90 days but not beyond its authority.

    Raises:
        RunbookError: the authority itself has ended.
    """
    ends = authority.certificate.not_valid_after_utc
    if ends <= now:
        raise RunbookError(
            f"the authority ended on {ends:%Y-%m-%d}",
            "nothing it issues would be trusted; nothing was issued",
            "inv certs.rotate-ca",
        )
    key = ec.generate_private_key(ec.SECP256R1())
    fitting = [name for name in (*wanted.dns, *wanted.addresses) if len(name) <= _MOST]
    start = now - BACKDATE
    builder = _certificate_builder(
        _x509_name(fitting[0] if fitting else "edge"),
        authority.certificate.subject,
        key.public_key(),
        x509.random_serial_number(),
        start,
        min(start + LIFE, ends),
    )
    issuer = authority.certificate.extensions.get_extension_for_class(
        x509.SubjectKeyIdentifier
    ).value
    san = [
        *(x509.DNSName(name) for name in wanted.dns),
        *(x509.IPAddress(ipaddress.ip_address(one)) for one in wanted.addresses),
    ]
    builder = (
        builder.add_extension(x509.SubjectAlternativeName(san), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), critical=False
        )
    )
    return Pair(builder.sign(authority.key, hashes.SHA256()), key)


def _x509_name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _certificate_builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    serial: int,
    start: datetime,
    end: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(serial)
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def named_hosts(certificate: x509.Certificate) -> Names:
    """The names a certificate bears as subject alternative names; the common name counts nowhere
    any more."""
    try:
        san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return Names((), ())
    dns = [name.lower() for name in san.get_values_for_type(x509.DNSName)]
    return sort_names([*dns, *map(str, san.get_values_for_type(x509.IPAddress))])


def renewal_reason(
    leaf: x509.Certificate, authority: x509.Certificate, wanted: Names, now: datetime
) -> str:
    """Why `leaf` must be replaced, as a clause; empty when it need not be."""
    start, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    bears = named_hosts(leaf)
    if not issued_by(leaf, authority):
        return "another authority issued it"
    if missing := [
        name
        for name in (*wanted.dns, *wanted.addresses)
        if name not in (*bears.dns, *bears.addresses)
    ]:
        return f"it lacks {', '.join(missing)}"
    if surplus := [
        name
        for name in (*bears.dns, *bears.addresses)
        if name not in (*wanted.dns, *wanted.addresses)
    ]:
        return f"it is for {', '.join(surplus)} too"
    if now < start:
        return f"it begins only on {start:%Y-%m-%d %H:%M} UTC"
    if now >= end:
        return f"it ended on {end:%Y-%m-%d}"
    if now >= start + (end - start) * 2 / 3:
        return f"two thirds of its life are over, it ends on {end:%Y-%m-%d}"
    return ""


def issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether `issuer`'s key signed `certificate` under `issuer`'s name."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def prove_pair(pair: Pair, authority: x509.Certificate, wanted: Names, now: datetime) -> None:
    """See chain and key as a strict client would, for every name.

    Raises:
        RunbookError: the key does not fit, or a client would refuse the chain for some name.
    """
    if pair.key.public_key() != pair.certificate.public_key():
        raise _refusal("its key is another certificate's")
    policy = PolicyBuilder().store(Store([authority])).time(now)
    subjects: list[x509.DNSName | x509.IPAddress] = [
        *(x509.DNSName(name.replace("*", "any", 1)) for name in wanted.dns),
        *(x509.IPAddress(ipaddress.ip_address(one)) for one in wanted.addresses),
    ]
    for subject in subjects:
        try:
            policy.build_server_verifier(subject).verify(pair.certificate, [])
        except (VerificationError, ValueError) as error:
            raise _refusal(f"{subject.value}: {error}") from None


def _refusal(why: str) -> RunbookError:
    return RunbookError(
        f"the certificate in the store would be refused: {why}",
        "it was not installed; what the edges serve stays",
        "inv certs.renew --force",
    )


def make_material(chain: list[x509.Certificate], key: Key) -> Material:
    """What is installed: PEM, leaf first, and the key as plain PKCS#8."""
    leaf = chain[0]
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    pem = "".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in chain)
    return Material(
        pem,
        Secret(text),
        sha256_fingerprint(leaf),
        subject_name(leaf),
        f"{leaf.not_valid_after_utc:%Y-%m-%d}",
    )


def sha256_fingerprint(certificate: x509.Certificate) -> str:
    """The sha256 of its DER, in hex."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def subject_name(certificate: x509.Certificate) -> str:
    """Whom it is for: the common name, else its first alternative name, else the whole subject."""
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return (
        str(common[0].value)
        if common
        else named_hosts(certificate).first or certificate.subject.rfc4514_string()
    )
