"""How clients learn our authority: shown, copied, or added to the trust store of this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from cryptography import x509

from ..console.json_file import write_json
from ..console.rollup import open_console
from ..engine.errors import OK, RunbookError
from ..engine.files import replace_file
from ..settings.paths import OURS
from ..settings.settings import Settings
from .authority import sha256_fingerprint, subject_name
from .store import Store, bundle_text

MACHINE = Path("/usr/local/share/ca-certificates")
"""Where Debian reads additional authorities from, a single certificate per file."""
UPDATE = ("update-ca-certificates",)


def show_trust(settings: Settings, *, out: str | None, install: bool, json: str | None) -> int:
    """Show the bundle and how clients use it; copy it to `out`; with `install`, make this machine
    trust it.

    Raises:
        RunbookError: the site has no authority of ours, a file is in the way, or this user lacks
            the rights.
    """
    if settings.tls.certificate:
        raise RunbookError(
            "the site uses its own certificate",
            "clients must trust the authority that issued it, not ours",
            "inv certs.status",
        )
    if settings.tls.acme:
        raise RunbookError(
            "the certificate comes from a public authority (tls.acme)",
            "browsers trust it already, so there is nothing to learn",
            "inv certs.status",
        )
    store = Store(settings.tls.store, settings.name)
    authorities = store.load_authorities()
    if not authorities or not store.bundle.exists():
        raise RunbookError(
            "no authority was made yet", "there is nothing to trust", "inv certs.issue"
        )
    done = []
    if out:
        copy_bundle(store, Path(out))
        done.append(f"copied to {out}")
    if install:
        done.append(trust_on_machine(settings.name, authorities))
    _print_trust(settings, store, authorities, done, json)
    return OK


def copy_bundle(store: Store, target: Path) -> None:
    """Copy the bundle to `target`; replace it only if it is a bundle of ours.

    Raises:
        RunbookError: `target` is another file, or cannot be written.
    """
    _refuse_foreign_file(target)
    try:
        replace_file(target, store.bundle.read_bytes(), 0o644)
    except OSError as error:
        raise RunbookError(
            f"{target} cannot be written: {error.strerror}",
            "the bundle was not copied",
            "give --out another path",
        ) from None


def trust_on_machine(site: str, authorities: list[x509.Certificate]) -> str:
    """Make this machine trust these authorities, and none of our older ones; return what was
    done, as a clause.

    Raises:
        RunbookError: this user is not root, or this is no Debian, or a file is in the way.
    """
    if os.geteuid() != 0:
        raise RunbookError(
            "only root may change what this machine trusts",
            "nothing was changed",
            "sudo .venv/bin/inv certs.trust --install",
        )
    if not MACHINE.is_dir() or not shutil.which(UPDATE[0]):
        raise RunbookError(
            f"this machine has no {UPDATE[0]}",
            "nothing was changed",
            "apt-get install ca-certificates",
        )
    files = {
        MACHINE / f"runbook-{site}-{sha256_fingerprint(authority)[:12]}.crt": authority
        for authority in authorities
    }
    for path in files:
        _refuse_foreign_file(path)
    for path in MACHINE.glob(f"runbook-{site}-*.crt"):
        named = re.fullmatch(re.escape(f"runbook-{site}-") + "[0-9a-f]{12}.crt", path.name)
        if path not in files and named and _is_ours(path):
            path.unlink()
    for path, authority in files.items():
        replace_file(path, bundle_text(site, [authority]), 0o644)
    ran = subprocess.run(UPDATE, capture_output=True, text=True, encoding="utf-8", errors="replace")
    if ran.returncode:
        raise RunbookError(
            f"{UPDATE[0]} failed: {ran.stderr.strip()}", f"the files are in {MACHINE}", UPDATE[0]
        )
    return "this machine trusts it"


def _is_ours(path: Path) -> bool:
    return path.read_bytes().startswith(f"# {OURS}".encode())


def _refuse_foreign_file(path: Path) -> None:
    if path.exists() and not (path.is_file() and _is_ours(path)):
        raise RunbookError(
            f"{path} exists and is not a bundle of this runbook",
            "it was left alone",
            "move it, or choose another path",
        )


def _print_trust(
    settings: Settings,
    store: Store,
    authorities: list[x509.Certificate],
    done: list[str],
    json: str | None,
) -> None:
    from rich.text import Text

    out, bundle = open_console(json), store.bundle
    write_json(
        {
            "bundle": str(bundle),
            "authorities": [
                {"name": subject_name(authority), "sha256": sha256_fingerprint(authority)}
                for authority in authorities
            ],
            "done": done,
        },
        json,
    )
    for authority in authorities:
        end = f"{authority.not_valid_after_utc:%Y-%m-%d}"
        out.print(Text(f"{subject_name(authority)}, until {end}", "bold"))
        out.print(Text(f"  sha256 {sha256_fingerprint(authority)}"))
    for line in done:
        out.print(Text(f"✓ {line}", "green"))
    for who, how in _manual_steps(settings, bundle):
        out.print(Text(f"{who:<14}", "dim") + Text(how))


def _manual_steps(settings: Settings, bundle: Path) -> list[tuple[str, str]]:
    shared = f"/usr/local/share/ca-certificates/runbook-{settings.name}.crt"
    return [
        ("bundle", str(bundle)),
        ("curl", f"curl --cacert {bundle} {settings.https}/"),
        ("this machine", "inv certs.trust --install   (as root)"),
        (
            "other Debian",
            (
                f"as root: cp {bundle.name} {shared} && update-ca-certificates   (one certificate"
                " per file)"
            ),
        ),
        (
            "Chromium",
            (
                f"certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n runbook-{settings.name} -i"
                f" {bundle.name}"
            ),
        ),
        ("Firefox", "Settings, Privacy & Security, View Certificates, Authorities, Import"),
    ]
