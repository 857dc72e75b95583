"""The check of a certificate with its key: one that the user provides, or that a public authority
issued.

A certificate that clients would reject is refused here, with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from ..settings.settings import Settings, Tls
from ..steps.cert import Material
from .authority import Key, make_material, read_alternative_names
from .chain import PARSE_ERRORS, Chain, build_chain, trusted_roots
from .names import Names, called_names
from .provided_files import certificate_path, make_refusal, read_files


@dataclass(frozen=True)
class CheckedCertificate:
    """The leaf, the root above it, and the files that the edges get."""

    leaf: x509.Certificate
    root: x509.Certificate
    material: Material


def load_provided(settings: Settings, now: datetime | None = None) -> CheckedCertificate:
    """Read and check the files of the user, and put the chain in order, without its root.

    Raises:
        RunbookError: see `check_files`.
    """
    return check_files(settings.tls, called_names(settings), now or datetime.now(UTC))


def check_files(
    tls: Tls, users: Names, now: datetime, roots: Sequence[x509.Certificate] = ()
) -> CheckedCertificate:
    """Read the files that `tls` names, check them as clients do, and put the chain in order.

    Args:
        tls: where the certificate, its key and the passphrase are.
        users: the names that the certificate must cover.
        now: the time for all checks.
        roots: what clients trust, besides what this machine trusts.

    Raises:
        RunbookError: a file cannot be read; the key does not match; the certificate is expired,
            not yet valid, for other names or purposes, or weakly signed; or the chain to a root
            is incomplete.
    """
    file = certificate_path(tls)
    try:
        return _load_file(tls, users, now, [*trusted_roots(), *roots])
    except PARSE_ERRORS as error:
        detail = str(error) or type(error).__name__
        raise make_refusal(
            f"{file} cannot be understood: {detail}", f"openssl x509 -noout -text -in {file}"
        ) from None


def _load_file(
    tls: Tls, users: Names, now: datetime, roots: Sequence[x509.Certificate]
) -> CheckedCertificate:
    file = certificate_path(tls)
    certificates, key = read_files(tls)
    leaf = next((part for part in certificates if _belongs_to(part, key)), None)
    if leaf is None:
        raise make_refusal(
            f"the key does not match the certificate in {file}",
            "set tls.key to the key it was issued for",
        )
    chain = build_chain(leaf, certificates, roots, lambda part: not _rejection(part, now))
    for part in chain.certificates:
        what = "the certificate" if part is leaf else "an intermediate certificate"
        if rejection := _rejection(part, now):
            raise make_refusal(f"{what} in {file} {rejection[0]}", rejection[1])
    root = _check_root(chain, now, file)
    _check_purpose(leaf, file)
    if missing := users.missing(read_alternative_names(leaf)):
        raise make_refusal(
            f"the certificate in {file} is not for {', '.join(missing)}, but for"
            f" {str(read_alternative_names(leaf)) or 'no name at all'}",
            "have it issued for what users call, or set tls.names and service to what it is for",
        )
    return CheckedCertificate(leaf, root, make_material(list(chain.certificates), key))


def _belongs_to(certificate: x509.Certificate, key: Key) -> bool:
    try:
        return certificate.public_key() == key.public_key()
    except PARSE_ERRORS:  # an unknown type of key cannot match
        return False


def _check_root(chain: Chain, now: datetime, file: Path) -> x509.Certificate:
    last, root = chain.certificates[-1], chain.root
    if root is None:
        raise make_refusal(
            f"the chain in {file} is incomplete: this machine does not"
            f" know «{last.issuer.rfc4514_string()}»",
            "append the intermediate certificates to it, and the root if it is private",
        )
    if root is not last and (rejection := _rejection(root, now)):
        name = root.subject.rfc4514_string()
        raise make_refusal(
            f"the chain in {file} ends at a root that {rejection[0]}: «{name}»",
            "have it issued under another root",
        )
    return root


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
        raise make_refusal(
            f"the certificate in {file} is not for servers",
            "have it issued for TLS server authentication",
        )
