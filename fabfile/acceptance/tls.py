"""How the service presents itself over TLS: handshakes, and what its certificate is worth."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Secure:
    """The service over TLS: `address` is https://HOST[:PORT], `names` are DNS names that users call
    it by.

    `bundle` (PEM) holds the authorities that must have issued its certificate; without it a
    self-signed one will do. `http3` says whether HTTP/3 is meant to be there.
    """

    address: str
    bundle: Path | None = None
    names: tuple[str, ...] = ()
    http3: bool = True

    @property
    def host(self) -> str:
        """Where connections go: a name or an address."""
        return urlsplit(self.address).hostname or ""

    @property
    def port(self) -> int:
        """TCP for TLS, UDP for QUIC."""
        return urlsplit(self.address).port or 443

    @property
    def wanted(self) -> tuple[str, ...]:
        """What the certificate must be for; `any` stands for a name's `*`. Only an authority of
        our own certifies addresses."""
        own = () if self.names and is_ip(self.host) and not self.bundle else (self.host,)
        return tuple(dict.fromkeys((*(name.replace("*", "any", 1) for name in self.names), *own)))

    @property
    def called(self) -> str:
        """The name that clients ask for."""
        return self.wanted[0]


class Handshake(NamedTuple):
    """One connection that asked for `name`: the leaf certificate (DER), the protocol agreed upon
    for HTTP.

    `error` is why there was none; `distrust` why the certificate's chain leads to no known
    authority.
    """

    name: str
    leaf: bytes = b""
    alpn: str = ""
    error: str = ""
    distrust: str = ""


def https_url(address: str) -> str:
    """`https://host[:port]` without anything behind it.

    Raises:
        RunbookError: it is not the address of an https service.
    """
    parts = urlsplit(address.strip().rstrip("/"))
    try:
        right = (
            parts.scheme == "https"
            and parts.hostname
            and not (parts.path or parts.query)
            and parts.port != 0
        )
    except ValueError:
        right = False
    if not right:
        raise RunbookError(
            f"{address!r} is not the address of a service over TLS",
            "the acceptance compares it with plain http",
            "give it as https://HOST or https://HOST:PORT",
        )
    return f"https://{parts.netloc}"


def unverified_context() -> ssl.SSLContext:
    """For asking whatever answers: the certificate is judged by itself, so that a bad one is one
    finding, not twenty."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def shake_hands(secure: Secure, name: str) -> Handshake:
    """Connect as a client that wants `name`, offering HTTP/2; then once more with a chain that
    must be trusted. Blocks."""
    context = unverified_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    try:
        with _connect_tls(secure, context, name) as tls:
            leaf, alpn = (
                tls.getpeercert(binary_form=True) or b"",
                tls.selected_alpn_protocol() or "",
            )
    except OSError as error:
        return Handshake(name, error=_describe_error(error))
    return Handshake(name, leaf, alpn, distrust=_chain_problem(secure, name))


def _connect_tls(secure: Secure, context: ssl.SSLContext, name: str) -> ssl.SSLSocket:
    raw = socket.create_connection((secure.host, secure.port), TIMEOUT)
    try:
        return context.wrap_socket(raw, server_hostname=name)
    except BaseException:
        raw.close()
        raise


def _chain_problem(secure: Secure, name: str) -> str:
    """Why the chain leads to none of the bundle's (without one: this machine's) authorities;
    empty when it does."""
    try:
        context = ssl.create_default_context(cafile=str(secure.bundle) if secure.bundle else None)
        context.check_hostname = False
        with _connect_tls(secure, context, name):
            return ""
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except OSError as error:
        return _describe_error(error)


def _describe_error(error: OSError) -> str:
    """An SSL error in OpenSSL's words, others in ours."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return f"TLS: {error.reason.lower().replace('_', ' ')}"
    return failure_kind(error)


def certificate_problems(
    leaf: bytes, wanted: Sequence[str], now: datetime | None = None
) -> list[str]:
    """What is wrong with a certificate whoever issued it: out of date, or for other names than
    those wanted."""
    from cryptography import x509

    certificate, now = x509.load_der_x509_certificate(leaf), now or datetime.now(UTC)
    wrong = []
    if now > certificate.not_valid_after_utc:
        wrong.append(
            f"the certificate has expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        )
    if now < certificate.not_valid_before_utc:
        wrong.append(
            f"the certificate is valid only from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M}"
            " UTC on"
        )
    names = covered_names(certificate)
    if missing := [
        name for name in wanted if not any(_name_matches(pattern, name) for pattern in names)
    ]:
        wrong.append(
            f"the certificate is for {', '.join(names) or 'no name at all'}, not for"
            f" {', '.join(missing)}"
        )
    return wrong


def covered_names(certificate: Certificate) -> list[str]:
    """The DNS names and addresses a certificate is for; its common name has not counted for
    years."""
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
    """RFC 6125: a `*` stands for exactly one label, the first."""
    first, _, rest = name.lower().partition(".")
    head, _, tail = pattern.lower().partition(".")
    if head == "*" and not is_ip(name):
        return bool(first) and tail == rest
    return pattern.lower() == name.lower()


def days_left(leaf: bytes) -> int:
    """Whole days until the certificate expires."""
    from cryptography import x509

    return (x509.load_der_x509_certificate(leaf).not_valid_after_utc - datetime.now(UTC)).days
