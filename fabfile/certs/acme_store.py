"""What a public authority gave us, on this controller: the account, and the certificate with its
key.

Each directory has a folder of its own below `tls.store`. So a site that goes from a staging
directory to the real one gets a new account and a new certificate. Every file is replaced by a
single rename, and only its owner can read it.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ..engine.errors import RunbookError
from ..engine.files import replace_file
from ..settings.settings import Acme, Settings
from ..steps.cert import Material
from .authority import find_due_reason, make_material, subject_name
from .chain import PARSE_ERRORS, trusted_roots
from .names import certified_names
from .provided import CheckedCertificate, check_files
from .store import LEAF, Store

ACCOUNT = "account.json"
"""The key and the URL of our account."""
NEW = "new.pem"
"""What the authority issued, until it is verified."""
ROOT = "root.pem"
"""The root of the certificate, if this machine does not trust it."""


def authority_of(settings: Settings) -> Acme:
    """The public authority of a site that has one."""
    assert settings.tls.acme, "only called on a site with tls.acme"
    return settings.tls.acme


def authority_name(settings: Settings) -> str:
    """The host of the authority, for people."""
    return urlsplit(authority_of(settings).directory).netloc


def open_store(settings: Settings, now: datetime | None = None) -> Store:
    """The folder of the present directory; `now` is the time for all checks."""
    directory = authority_of(settings).directory.removeprefix("https://")
    folder = re.sub(r"[^A-Za-z0-9.-]+", "-", directory).strip("-.")
    return Store(settings.tls.store / "acme" / folder, settings.name, now)


def find_order_reason(settings: Settings, now: datetime | None = None) -> str:
    """Return why a certificate must be ordered, as a clause; empty if the present one is good.

    Raises:
        RunbookError: the file is damaged or cannot be read.
    """
    store = open_store(settings, now)
    pair = store.load_pair(LEAF)
    if pair is None:
        return "there is none yet"
    return find_due_reason(pair.certificate, certified_names(settings), store.now)


def load_material(settings: Settings) -> Material | None:
    """Return the last certificate that was verified, also if it is due; None before the first.

    Raises:
        RunbookError: the file is damaged or cannot be read.
    """
    store = open_store(settings)
    pair = store.load_pair(LEAF)
    if pair is None:
        return None
    chain = x509.load_pem_x509_certificates((store.folder / LEAF).read_bytes())
    return make_material(chain, pair.key)


def keep_certificate(
    settings: Settings, chain: str, key: ec.EllipticCurvePrivateKey
) -> CheckedCertificate:
    """Verify what the authority issued as browsers do, then let it replace the present certificate.

    Args:
        settings: the site.
        chain: the certificate and its intermediates, in PEM.
        key: the key that it was ordered for.

    Raises:
        RunbookError: browsers would reject it; the present certificate stays.
    """
    store = open_store(settings)
    new = store.folder / NEW
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    replace_file(new, chain.encode() + b"\n" + private, 0o600)
    tls = replace(settings.tls, certificate=new, key=None, passphrase_file=None)
    known = trusted_roots()
    roots = [*known, *_extra_roots(settings)]
    try:
        issued = check_files(tls, certified_names(settings), store.now, roots)
        # A root that comes along with the certificate proves nothing.
        if issued.root not in roots:
            raise RunbookError(f"no browser knows its root «{subject_name(issued.root)}»")
    except RunbookError as error:
        raise RunbookError(
            f"the certificate from {authority_name(settings)} cannot be used: {error.problem}",
            "it was not installed; the edges keep their present certificate",
            f"openssl x509 -noout -text -in {new}   (a staging or private authority needs its root"
            " in tls.acme.ca)",
        ) from None
    ordered = issued.material.chain.encode() + issued.material.key.reveal().encode()
    if issued.root in known:
        (store.folder / ROOT).unlink(missing_ok=True)
    else:
        replace_file(store.folder / ROOT, issued.root.public_bytes(serialization.Encoding.PEM))
    replace_file(store.folder / LEAF, ordered, 0o600)
    new.unlink()
    return issued


def private_root(settings: Settings) -> Path | None:
    """The file with the root of the present certificate; None if this machine trusts it anyway."""
    path = open_store(settings).folder / ROOT
    return path if path.exists() else None


def _extra_roots(settings: Settings) -> list[x509.Certificate]:
    """The certificates in `tls.acme.ca`.

    Raises:
        RunbookError: the file cannot be read, or holds no certificate.
    """
    file = authority_of(settings).ca
    if file is None:
        return []
    problem = f"{file} holds no certificate in PEM"
    try:
        with suppress(*PARSE_ERRORS):
            return x509.load_pem_x509_certificates(file.read_bytes())
    except OSError as error:
        problem = f"{file} cannot be read: {error.strerror}"
    raise RunbookError(
        problem,
        "tls.acme.ca names it, to verify the authority; nothing was ordered",
        f"ls -l {file}",
    )
