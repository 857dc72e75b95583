"""The menu of `inv certs.*`: the edges' certificate and the authority behind it.

The authority stays on this machine; the edges get a certificate and its key, one at a time.
"""

from __future__ import annotations

from typing import Any

from invoke import Collection, task

from ..console.task import JSON, VERBOSE, is_dry, refuse_dry_run, run_as_task
from ..engine.errors import RunbookError

FORCE = {"force": "issue a new certificate even if the old one is good"}


@task(help={**FORCE, **JSON, **VERBOSE})
@run_as_task
def issue(c: Any, force: bool = False, json: str | None = None, verbose: bool = False) -> int:
    """Make authority and certificate if missing, and install.

    With tls.acme, the certificate is ordered from the public authority.
    """
    from ..rollout.certificates import issue_certificate as run
    from ..settings.site_file import load_settings

    return run(load_settings(), force=force, dry=is_dry(c), json=json)


@task(help={**FORCE, **JSON, **VERBOSE})
@run_as_task
def renew(c: Any, force: bool = False, json: str | None = None, verbose: bool = False) -> int:
    """Replace the certificate if it is due, and install it.

    It is due 30 days before its end (or in the last third of a shorter lifetime), or when its names
    have changed. With tls.acme, the public authority is also asked whether it wants a renewal.
    """
    from ..rollout.certificates import renew_certificate as run
    from ..settings.site_file import load_settings

    return run(load_settings(), force=force, dry=is_dry(c), json=json)


@task(
    help={
        "prepare": (
            "only make the next authority and add it to the bundle, so that clients can install it"
            " first"
        ),
        "finish": "drop the replaced authority from the bundle",
        **JSON,
        **VERBOSE,
    }
)
@run_as_task
def rotate_ca(
    c: Any,
    prepare: bool = False,
    finish: bool = False,
    json: str | None = None,
    verbose: bool = False,
) -> int:
    """Replace the authority; --finish drops the old one.

    Clients that have the bundle accept old and new until --finish."""
    from ..rollout import certificates
    from ..settings.site_file import load_settings

    refuse_dry_run(c, "certs.rotate-ca")
    if prepare and finish:
        raise RunbookError(
            "--prepare and --finish exclude each other", "nothing was done", "inv certs.status"
        )
    settings = load_settings()
    if prepare:
        return certificates.prepare_authority(settings, json)
    if finish:
        return certificates.finish_rotation(settings, json)
    return certificates.rotate_authority(settings, json)


@task(help={**JSON, **VERBOSE})
@run_as_task
def status(c: Any, json: str | None = None, verbose: bool = False) -> int:
    """Show each edge's certificate and when it expires.

    Exit 2 when something must be done.
    """
    from ..certs.status import show_certificates as run
    from ..settings.site_file import load_settings

    return run(load_settings(), json)


@task(
    help={
        "out": "copy the bundle to this file",
        "install": "make this machine trust it (root only)",
        **JSON,
        **VERBOSE,
    }
)
@run_as_task
def trust(
    c: Any,
    out: str | None = None,
    install: bool = False,
    json: str | None = None,
    verbose: bool = False,
) -> int:
    """Show the authorities, and how clients trust them.

    The bundle, its fingerprints, and the steps for Debian, curl and browsers.
    """
    from ..certs.trust import show_trust as run
    from ..settings.site_file import load_settings

    if out or install:
        refuse_dry_run(c, "certs.trust")
    return run(load_settings(), out=out, install=install, json=json)


namespace = Collection(issue, renew, rotate_ca, status, trust)
