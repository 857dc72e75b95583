"""The path from a certificate to a root, built as openssl builds it.

At each step, the roots of this machine come first, then issuers that clients accept (valid today,
strong signature), then the rest. So a cross-signed intermediate, an expired cross root or an
unrelated certificate in the file does no harm.
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
"""All roots that Debian trusts."""

PATH_LIMIT = 1000
"""Paths to try at most: certificates that sign each other make an endless number of paths."""

PARSE_ERRORS = (
    ValueError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""Errors of a certificate that is damaged, or newer than our library."""

_LABEL = rb"(?:X509 )?CERTIFICATE-----"
PEM = re.compile(
    rb"-----BEGIN " + _LABEL + rb".*?(?:-----END " + _LABEL + rb"|(?=-----BEGIN )|\Z)", re.DOTALL
)
"""A certificate, also if its end is cut off."""


@dataclass(frozen=True)
class Chain:
    """The leaf with its intermediates, and the root above them (None if the next issuer is not
    known here)."""

    certificates: tuple[x509.Certificate, ...]
    root: x509.Certificate | None


def trusted_roots() -> list[x509.Certificate]:
    """Return the roots this machine trusts, without those that cannot be read."""
    found = []
    for path in {MACHINE, Path(ssl.get_default_verify_paths().cafile or MACHINE)}:
        try:
            content = path.read_bytes()
        except OSError:
            continue
        loaded = map(_load_root, PEM.findall(content))
        found += [root for root in loaded if root and is_root(root)]
    return found


def _load_root(block: bytes) -> x509.Certificate | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some roots have serial numbers against the standard
            return x509.load_pem_x509_certificate(block)
    except PARSE_ERRORS:
        return None


def build_chain(
    leaf: x509.Certificate,
    others: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    is_accepted: Callable[[x509.Certificate], bool],
) -> Chain:
    """Return the best path: the first that clients accept, else the first that reaches a root,
    else the longest.

    Args:
        leaf: the certificate at the start of the path.
        others: certificates of the same file, in any order; it may include the root.
        roots: what this machine trusts.
        is_accepted: whether clients accept a certificate today.
    """
    paths = list(islice(_find_paths((leaf,), others, roots, is_accepted), PATH_LIMIT))
    complete = [path for path in paths if path.root]
    sound = (
        path
        for path in complete
        if all(map(is_accepted, path.certificates)) and path.root and is_accepted(path.root)
    )
    return (
        next(sound, None)
        or next(iter(complete), None)
        or max(paths, key=lambda path: len(path.certificates))
    )


def _find_paths(
    chain: tuple[x509.Certificate, ...],
    others: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    is_accepted: Callable[[x509.Certificate], bool],
) -> Iterator[Chain]:
    """Yield every path that continues `chain`, the most promising first."""
    last = chain[-1]
    if is_root(last):
        yield Chain(chain[:-1] or chain, last)
        return
    above = [root for root in roots if is_issued_by(last, root)]
    issuers = [
        other
        for other in others
        if other not in chain and is_issued_by(last, other) and _may_issue(other, len(chain) - 1)
    ]
    yield from (Chain(chain, root) for root in sorted(above, key=is_accepted, reverse=True))
    for issuer in sorted(issuers, key=is_accepted, reverse=True):
        yield from _find_paths((*chain, issuer), others, roots, is_accepted)
    if not above and not issuers:
        yield Chain(chain, None)


def is_root(certificate: x509.Certificate) -> bool:
    """Whether a certificate is self-signed."""
    return is_issued_by(certificate, certificate)


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether `issuer` signed `certificate`; False also if one of them cannot be read."""
    try:
        return certificate.issuer == issuer.subject and issued_by(certificate, issuer)
    except PARSE_ERRORS:
        return False


def _may_issue(certificate: x509.Certificate, below: int) -> bool:
    """Whether clients accept what `certificate` signed, with `below` intermediates under it.

    The signature alone proves nothing: the key of any leaf can sign another certificate.
    """
    try:
        extensions = certificate.extensions
        basic = extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, *PARSE_ERRORS):
        return False
    try:
        signs = extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        signs = True
    return basic.ca and signs and (basic.path_length is None or basic.path_length >= below)
