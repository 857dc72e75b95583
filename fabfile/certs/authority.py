"""Our own certificate authority and the certificates that it issues.

All keys are ECDSA P-256: browsers do not accept Ed25519, and Mozilla's profile does not list it.
"""

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

LEAF_LIFETIME = timedelta(days=90)
"""Lifetime of a leaf, as Mozilla's guideline 6.0 recommends. It is renewed after two thirds."""
RENEW_BEFORE = timedelta(days=30)
"""A certificate is replaced this long before its end at the latest, as Let's Encrypt advises."""
AUTHORITY_LIFETIME = timedelta(days=3652)
"""Ten years: every client must learn a new authority by hand, so a rotation is rare."""
BACKDATE = timedelta(minutes=10)
"""A certificate starts this much earlier, because clocks of clients may be slow."""
_COMMON_NAME_LIMIT = 64
"""Characters that X.520 allows in a common name."""
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
"""Key types that browsers accept. Our own keys are elliptic curve keys."""


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)


def make_authority(site: str, now: datetime) -> Pair:
    """Make a self-signed authority that may issue only leaves (path length 0)."""
    key = ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number()
    # Clients find an authority by its name, so each authority gets a name that is unique.
    name = _x509_name(f"{site[:32]} runbook authority {serial % 16**8:08x}")
    builder = _certificate_builder(
        subject=name,
        issuer=name,
        key=key.public_key(),
        serial=serial,
        start=now - BACKDATE,
        end=now + AUTHORITY_LIFETIME,
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(authority=True), critical=True)
    return Pair(builder.sign(key, hashes.SHA256()), key)


def issue_leaf(authority: Pair, wanted: Names, now: datetime) -> Pair:
    """Issue a leaf with a new key for `wanted`. It never outlives its authority.

    Raises:
        RunbookError: the authority has expired.
    """
    ends = authority.certificate.not_valid_after_utc
    if ends <= now:
        raise RunbookError(
            f"the authority expired on {ends:%Y-%m-%d}",
            "clients would reject whatever it issues; nothing was issued",
            "inv certs.rotate-ca",
        )
    key = ec.generate_private_key(ec.SECP256R1())
    fitting = [name for name in (*wanted.dns, *wanted.addresses) if len(name) <= _COMMON_NAME_LIMIT]
    start = now - BACKDATE
    builder = _certificate_builder(
        subject=_x509_name(fitting[0] if fitting else "edge"),
        issuer=authority.certificate.subject,
        key=key.public_key(),
        serial=x509.random_serial_number(),
        start=start,
        end=min(start + LEAF_LIFETIME, ends),
    )
    issuer = authority.certificate.extensions.get_extension_for_class(
        x509.SubjectKeyIdentifier
    ).value
    san = [
        *(x509.DNSName(name) for name in wanted.dns),
        *(x509.IPAddress(ipaddress.ip_address(address)) for address in wanted.addresses),
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
    *,
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


def read_alternative_names(certificate: x509.Certificate) -> Names:
    """Return the subject alternative names of a certificate; clients ignore the common name."""
    try:
        san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return Names((), ())
    dns = [name.lower() for name in san.get_values_for_type(x509.DNSName)]
    return sort_names([*dns, *map(str, san.get_values_for_type(x509.IPAddress))])


def find_renewal_reason(
    leaf: x509.Certificate, authority: x509.Certificate, wanted: Names, now: datetime
) -> str:
    """Return why `leaf` of our own authority must be replaced, as a clause; empty if it is still
    good."""
    if not issued_by(leaf, authority):
        return "another authority issued it"
    return find_due_reason(leaf, wanted, now)


def find_due_reason(leaf: x509.Certificate, wanted: Names, now: datetime) -> str:
    """Return why `leaf` must be replaced, whoever issued it; empty if it is still good.

    It is due 30 days before its end, or in the last third of a shorter lifetime.
    """
    start, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    present = read_alternative_names(leaf)
    if missing := [
        name
        for name in (*wanted.dns, *wanted.addresses)
        if name not in (*present.dns, *present.addresses)
    ]:
        return f"it lacks {', '.join(missing)}"
    if surplus := [
        name
        for name in (*present.dns, *present.addresses)
        if name not in (*wanted.dns, *wanted.addresses)
    ]:
        return f"it also names {', '.join(surplus)}"
    if now < start:
        return f"it is not valid before {start:%Y-%m-%d %H:%M} UTC"
    if now >= end:
        return f"it expired on {end:%Y-%m-%d}"
    lifetime = end - start
    if now < end - min(RENEW_BEFORE, lifetime / 3):
        return ""
    short = lifetime <= 3 * RENEW_BEFORE
    over = "two thirds of its lifetime are over" if short else "less than 30 days are left"
    return f"{over}, it expires on {end:%Y-%m-%d}"


def issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether `issuer` signed `certificate`, and is named in it as the issuer."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def verify_pair(pair: Pair, authority: x509.Certificate, wanted: Names, now: datetime) -> None:
    """Verify the chain and the key for every name, as a strict client does.

    Raises:
        RunbookError: the key does not match, or a client would reject the chain for a name.
    """
    if pair.key.public_key() != pair.certificate.public_key():
        raise _make_refusal("its key belongs to another certificate")
    policy = PolicyBuilder().store(Store([authority])).time(now)
    subjects: list[x509.DNSName | x509.IPAddress] = [
        # The verifier takes no wildcard as a subject: try a name that the wildcard covers.
        *(x509.DNSName(name.replace("*", "any", 1)) for name in wanted.dns),
        *(x509.IPAddress(ipaddress.ip_address(address)) for address in wanted.addresses),
    ]
    for subject in subjects:
        try:
            policy.build_server_verifier(subject).verify(pair.certificate, [])
        except (VerificationError, ValueError) as error:
            raise _make_refusal(f"{subject.value}: {error}") from None


def _make_refusal(why: str) -> RunbookError:
    return RunbookError(
        f"clients would reject the certificate in the store: {why}",
        "it was not installed; the edges keep their present certificate",
        "inv certs.renew --force",
    )


def make_material(chain: list[x509.Certificate], key: Key) -> Material:
    """Return what the edges get: the chain as PEM, leaf first, and the key as plain PKCS#8."""
    leaf = chain[0]
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    pem = "".join(part.public_bytes(serialization.Encoding.PEM).decode() for part in chain)
    return Material(
        pem,
        Secret(text),
        sha256_fingerprint(leaf),
        subject_name(leaf),
        f"{leaf.not_valid_after_utc:%Y-%m-%d}",
    )


def sha256_fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of its DER form, in hex."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def subject_name(certificate: x509.Certificate) -> str:
    """Return a short name: the common name, else the first alternative name, else the subject."""
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return (
        str(common[0].value)
        if common
        else read_alternative_names(certificate).first or certificate.subject.rfc4514_string()
    )
