"""Connect to the service over TLS and check its certificate."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from ..engine.addresses import is_ip
from ..engine.errors import RunbookError
from ..traffic.client import failure_kind

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

TIMEOUT = 5.0
"""Seconds for a connection and its handshake."""

EXPIRED = "the certificate expired on"
"""The beginning of the problem of an expired certificate."""


@dataclass(frozen=True)
class Secure:
    """The service over TLS.

    Attributes:
        address: https://HOST[:PORT].
        bundle: a PEM file with the authorities that must have issued the certificate. Without it, a
            self-signed certificate is allowed.
        names: the DNS names that users know the service by.
        by_name: whether the certificate covers names only, although there is a bundle.
        http3: whether the service should offer HTTP/3.
    """

    address: str
    _: KW_ONLY
    bundle: Path | None = None
    names: tuple[str, ...] = ()
    by_name: bool = False
    http3: bool = True

    @property
    def host(self) -> str:
        """The name or IP address to connect to."""
        return urlsplit(self.address).hostname or ""

    @property
    def port(self) -> int:
        """The port: TCP for TLS, UDP for QUIC."""
        return urlsplit(self.address).port or 443

    @property
    def certificate_names(self) -> tuple[str, ...]:
        """The names and addresses that the certificate must cover.

        A name with a wildcard is tested by one name that the wildcard must cover.
        """
        names = [name.replace("*", "any", 1) for name in self.names]
        # A public authority issues no certificate for a private address, so without a bundle of
        # our own the address counts only if there is no name.
        if not (names and is_ip(self.host) and (self.by_name or not self.bundle)):
            names.append(self.host)
        return tuple(dict.fromkeys(names))

    @property
    def server_name(self) -> str:
        """The name that clients send (SNI and Host)."""
        return self.certificate_names[0]


class Handshake(NamedTuple):
    """One TLS connection.

    Attributes:
        name: the server name that the client sent.
        leaf: the certificate (DER).
        alpn: the protocol that the server chose, such as "h2".
        error: why there was no connection.
        distrust: why the certificate could not be verified.
    """

    name: str
    leaf: bytes = b""
    alpn: str = ""
    error: str = ""
    distrust: str = ""


def https_url(address: str) -> str:
    """The address as `https://host[:port]`, checked.

    Raises:
        RunbookError: it is no https address, or has a path or query.
    """
    parts = urlsplit(address.strip().rstrip("/"))
    try:
        valid = (
            parts.scheme == "https"
            and parts.hostname
            and not (parts.path or parts.query)
            and parts.port != 0
        )
    except ValueError:
        valid = False
    if not valid:
        raise RunbookError(
            f"{address!r} is not the address of a service over TLS",
            "the check compares its answers with those over plain http",
            "write it as https://HOST or https://HOST:PORT",
        )
    return f"https://{parts.netloc}"


def unverified_context() -> ssl.SSLContext:
    """A context that accepts every certificate.

    The certificate is checked separately, so that a bad one is one problem and not a failure of
    every request.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def shake_hands(secure: Secure, name: str) -> Handshake:
    """Connect with the server name `name` and offer HTTP/2; then verify the certificate with a
    second connection. Blocks."""
    context = unverified_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    try:
        with _connect_tls(secure, context, name) as tls:
            leaf = tls.getpeercert(binary_form=True) or b""
            alpn = tls.selected_alpn_protocol() or ""
    except OSError as error:
        return Handshake(name, error=_describe_error(error))
    return Handshake(name, leaf=leaf, alpn=alpn, distrust=_chain_problem(secure, name))


def _connect_tls(secure: Secure, context: ssl.SSLContext, name: str) -> ssl.SSLSocket:
    raw = socket.create_connection((secure.host, secure.port), TIMEOUT)
    try:
        return context.wrap_socket(raw, server_hostname=name)
    except BaseException:
        raw.close()
        raise


def _chain_problem(secure: Secure, name: str) -> str:
    """Why the certificate cannot be verified with the bundle (or, without one, with the authorities
    of this machine); empty if it can."""
    try:
        context = ssl.create_default_context(cafile=str(secure.bundle) if secure.bundle else None)
        context.check_hostname = False  # certificate_problems() reports wrong names
        with _connect_tls(secure, context, name):
            return ""
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except OSError as error:
        return _describe_error(error)


def _describe_error(error: OSError) -> str:
    """An SSL error in the words of OpenSSL, others in ours."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return f"TLS: {error.reason.lower().replace('_', ' ')}"
    return failure_kind(error)


def certificate_problems(
    leaf: bytes, wanted: Sequence[str], now: datetime | None = None
) -> list[str]:
    """What is wrong with a certificate, whoever issued it: its dates or its names.

    Args:
        leaf: the certificate (DER).
        wanted: the names that it must cover.
        now: the time to judge its dates by; the current time by default.
    """
    from cryptography import x509

    certificate = x509.load_der_x509_certificate(leaf)
    now = now or datetime.now(UTC)
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    problems = []
    if now > end:
        problems.append(f"{EXPIRED} {end:%Y-%m-%d %H:%M} UTC")
    if now < begin:
        problems.append(f"the certificate is not valid before {begin:%Y-%m-%d %H:%M} UTC")
    names = covered_names(certificate)
    missing = [name for name in wanted if not any(_name_matches(cover, name) for cover in names)]
    if missing:
        problems.append(
            f"the certificate is for {', '.join(names) or 'no name at all'}, not for"
            f" {', '.join(missing)}"
        )
    return problems


def covered_names(certificate: Certificate) -> list[str]:
    """The DNS names and addresses that a certificate covers.

    The common name is ignored, as all current clients do (RFC 9525).
    """
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [
        *names.get_values_for_type(x509.DNSName),
        *map(str, names.get_values_for_type(x509.IPAddress)),
    ]


def _name_matches(pattern: str, name: str) -> bool:
    """Whether a name of a certificate covers `name`; `*` stands for the first label (RFC 9525)."""
    pattern_label, _, pattern_rest = pattern.lower().partition(".")
    label, _, rest = name.lower().partition(".")
    if pattern_label == "*" and not is_ip(name):
        return bool(label) and pattern_rest == rest
    return pattern.lower() == name.lower()


def days_left(leaf: bytes) -> int:
    """Whole days until the certificate expires."""
    from cryptography import x509

    return (x509.load_der_x509_certificate(leaf).not_valid_after_utc - datetime.now(UTC)).days
