"""The menu of `inv certs.*`: the edges' certificate and the authority behind it.

The authority stays on this machine; edges get a leaf and its key, one edge at a time.
"""

from __future__ import annotations

from typing import Any

from invoke import Collection, task

from ..console.task import entry, is_dry, not_dry
from ..engine.errors import RunbookError

JSON = {"json": "also write the result as JSON to this file (- for stdout)"}
FORCE = {"force": "issue a new one even if the old one is good"}


@task(help={**FORCE, **JSON})
@entry
def issue(c: Any, force: bool = False, json: str | None = None) -> int:
    """Make the authority and a certificate, if there are none, and install it on the edges."""
    from ..rollout.certificates import issue as run
    from ..settings.settings import load

    return run(load(), force=force, dry=is_dry(c), json=json)


@task(help={**FORCE, **JSON})
@entry
def renew(c: Any, force: bool = False, json: str | None = None) -> int:
    """Replace the certificate if it is due (two thirds of its 90 days, other names), and install it on the edges."""
    from ..rollout.certificates import renew as run
    from ..settings.settings import load

    return run(load(), force=force, dry=is_dry(c), json=json)


@task(
    help={
        "prepare": "only make the next authority and add it to the bundle, so that clients can learn it first",
        "finish": "drop the replaced authority from the bundle",
        **JSON,
    }
)
@entry
def rotate_ca(c: Any, prepare: bool = False, finish: bool = False, json: str | None = None) -> int:
    """Replace the authority; clients that have the bundle accept old and new until --finish."""
    from ..rollout import certificates
    from ..settings.settings import load

    not_dry(c, "certs.rotate-ca")
    if prepare and finish:
        raise RunbookError("--prepare and --finish exclude each other", "nothing was done", "inv certs.status")
    run = certificates.prepare if prepare else certificates.finish if finish else certificates.rotate
    return run(load(), json)


@task(help=JSON)
@entry
def status(c: Any, json: str | None = None) -> int:
    """Which certificate each edge serves and for how long; exit 2 when something needs doing."""
    from ..certs.status import status as run
    from ..settings.settings import load

    return run(load(), json)


@task(
    help={
        "out": "copy the bundle to this file",
        "install": "make this machine trust it (root only)",
        **JSON,
    }
)
@entry
def trust(c: Any, out: str | None = None, install: bool = False, json: str | None = None) -> int:
    """Show the bundle of authorities, its fingerprints, and how Debian, curl and browsers learn it."""
    from ..certs.trust import trust as run
    from ..settings.settings import load

    if out or install:
        not_dry(c, "certs.trust")
    return run(load(), out=out, install=install, json=json)


namespace = Collection(issue, renew, rotate_ca, status, trust)
