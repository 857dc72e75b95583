"""The path from a certificate to a root, built as openssl does.

At each link this machine's own roots are asked first, and issuers that are fit (valid today,
strongly signed) before others. So a cross-signed intermediate, an expired cross root or
certificates that have no part in it do no harm.
"""

from __future__ import annotations

import re
import ssl
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from .authority import issued_by

MACHINE = Path("/etc/ssl/certs/ca-certificates.crt")
"""What Debian trusts, in one file."""

MOST = 1000
"""Paths that are tried: some certificates that all sign each other would make endlessly many."""

ODD = (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
"""What a certificate raises that is damaged, or newer than our library."""

_LABEL = rb"(?:X509 )?CERTIFICATE-----"
PEM = re.compile(
    rb"-----BEGIN " + _LABEL + rb".*?(?:-----END " + _LABEL + rb"|(?=-----BEGIN )|\Z)", re.DOTALL
)
"""One certificate, also one that is cut off."""


@dataclass(frozen=True)
class Chain:
    """The leaf and its intermediates, and the root above them; None where nobody here knows the
    next issuer."""

    certificates: tuple[x509.Certificate, ...]
    root: x509.Certificate | None


def trusted_roots() -> list[x509.Certificate]:
    """The roots this machine trusts. One that cannot be read there is none; it does no harm to
    the others."""
    found = []
    for path in {MACHINE, Path(ssl.get_default_verify_paths().cafile or MACHINE)}:
        try:
            content = path.read_bytes()
        except OSError:
            continue
        found += [one for block in PEM.findall(content) if (one := _loaded(block)) and is_root(one)]
    return found


def _loaded(block: bytes) -> x509.Certificate | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some roots bear odd serials
            return x509.load_pem_x509_certificate(block)
    except ODD:
        return None


def build_chain(
    leaf: x509.Certificate,
    others: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    fit: Callable[[x509.Certificate], bool],
) -> Chain:
    """The best path: the first that is fit from end to end, else the first to a root, else the
    longest.

    Args:
        leaf: where it begins.
        others: certificates of the same file, in any order; a root among them counts as one.
        roots: what this machine trusts.
        fit: whether clients take a certificate today.
    """
    paths = list(islice(_paths((leaf,), others, roots, fit), MOST))
    whole = [path for path in paths if path.root]
    sound = (
        path for path in whole if all(map(fit, path.certificates)) and path.root and fit(path.root)
    )
    return (
        next(sound, None)
        or next(iter(whole), None)
        or max(paths, key=lambda path: len(path.certificates))
    )


def _paths(
    chain: tuple[x509.Certificate, ...],
    others: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    fit: Callable[[x509.Certificate], bool],
) -> Iterator[Chain]:
    """Every path that goes on from `chain`, the most promising first."""
    last = chain[-1]
    if is_root(last):
        yield Chain(chain[:-1] or chain, last)
        return
    above = [root for root in roots if issued(last, root)]
    issuers = [
        one
        for one in others
        if one not in chain and issued(last, one) and _may_issue(one, len(chain) - 1)
    ]
    yield from (Chain(chain, root) for root in sorted(above, key=fit, reverse=True))
    for one in sorted(issuers, key=fit, reverse=True):
        yield from _paths((*chain, one), others, roots, fit)
    if not above and not issuers:
        yield Chain(chain, None)


def is_root(certificate: x509.Certificate) -> bool:
    """Whether it is signed by itself."""
    return issued(certificate, certificate)


def issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether `issuer` signed `certificate`; False also for what cannot be read."""
    try:
        return certificate.issuer == issuer.subject and issued_by(certificate, issuer)
    except ODD:
        return False


def _may_issue(certificate: x509.Certificate, below: int) -> bool:
    """Whether clients believe what it signed, with so many intermediates below: anybody's leaf
    can sign."""
    try:
        extensions = certificate.extensions
        basic = extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, *ODD):
        return False
    try:
        signs = extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        signs = True
    return basic.ca and signs and (basic.path_length is None or basic.path_length >= below)
