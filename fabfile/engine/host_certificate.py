"""Verify the certificate that a host shows in place of a plain key: an authority of known_hosts
(`@cert-authority`) signed it. The format is in OpenSSH's PROTOCOL.certkeys."""

from __future__ import annotations

import base64
import time
from collections.abc import Collection
from typing import Any

from .known_hosts import HostKey


def find_certificate_fault(
    key: Any, host: str, authorities: Collection[HostKey], revoked: Collection[HostKey]
) -> str:
    """Why the certificate of a host is not accepted; empty if it is valid.

    Args:
        key: the host's key, from paramiko, which has verified that the host owns it.
        host: the name or address at which we called the host.
        authorities: the keys of the authorities that may sign for this host.
        revoked: the keys that this host must not show, and that must not sign for it.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import serialization

    blob = getattr(key, "public_blob", None)
    if blob is None:
        return "it shows no certificate"
    if HostKey(key.get_name(), key.asbytes()) in revoked:
        return "its key is revoked (@revoked)"
    line = b" ".join((blob.key_type.encode(), base64.b64encode(blob.key_blob)))
    try:
        certificate = serialization.load_ssh_public_identity(line)
        if not isinstance(certificate, serialization.SSHCertificate):
            return "it shows no certificate"
        certificate.verify_cert_signature()
        signer = _key_of(certificate.signature_key())
    except (ValueError, AssertionError, InvalidSignature) as error:
        return f"its certificate is damaged ({str(error) or type(error).__name__})"
    if signer in revoked:
        return "the authority that signed its certificate is revoked (@revoked)"
    if signer not in authorities:
        return "another authority than the pinned one signed its certificate"
    if bytes(certificate._inner_sig_type) == b"ssh-rsa":  # SHA-1; ssh refuses it too
        return "its certificate has an old kind of signature (sign it with -t rsa-sha2-512)"
    return _find_fault(certificate, host)


def _find_fault(certificate: Any, host: str) -> str:
    """What is wrong in a certificate whose signature is right."""
    from cryptography.hazmat.primitives.serialization import SSHCertificateType

    names = [name.decode(errors="replace") for name in certificate.valid_principals]
    now = time.time()
    if certificate.type is not SSHCertificateType.HOST:
        return "its certificate is one for users"
    if host.lower() not in [name.lower() for name in names]:
        return f"its certificate is for {', '.join(names) or 'no name'}, not for {host}"
    if now < certificate.valid_after:
        return f"its certificate is valid only from {_date(certificate.valid_after)} on"
    if now >= certificate.valid_before:
        return f"its certificate has expired on {_date(certificate.valid_before)}"
    if certificate.critical_options:  # none is defined for hosts, so we know none
        options = b", ".join(certificate.critical_options).decode(errors="replace")
        return f"its certificate has a critical option that is not known: {options}"
    return ""


def _key_of(public: Any) -> HostKey:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    kind, text = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).split()[:2]
    return HostKey(kind.decode(), base64.b64decode(text))


def _date(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
