"""Issue, renew and rotate certificates: in the store first, then on the edges, one at a time.

A rotation of the authority has three steps, so that no client ever sees a certificate that it
cannot verify: the next authority is added to the bundle, the edges get a certificate from it, and
the old authority is dropped from the bundle. Each step continues where a killed run stopped.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext, redirect_stdout

from ..certs.acme_renewal import order_if_due
from ..certs.acme_store import authority_name, find_order_reason
from ..certs.authority import sha256_fingerprint, subject_name
from ..certs.judge import read_edges
from ..certs.names import wanted_names
from ..certs.store import CURRENT, LEAF, NEXT, PREVIOUS, Store
from ..console.rollup import open_console
from ..engine.errors import DIFFERS, OK, RunbookError, Unreachable
from ..settings.settings import Settings
from ..steps.cert import short_fingerprint
from .deploy import DeployOptions, deploy_hosts


def issue_certificate(
    settings: Settings, *, force: bool, dry: bool, json: str | None, task: str = "issue"
) -> int:
    """Issue what is due and install it on the edges.

    Args:
        settings: the site.
        force: issue a new certificate even if the old one is good.
        dry: only show what would change.
        json: where to write the JSON.
        task: the name of the task.

    Returns:
        The exit code of the deploy.

    Raises:
        RunbookError: the site has no edge, or uses its own certificate and `force` is given, or the
            public authority refuses.
    """
    settings.inventory.first_having("edge")
    if settings.tls.certificate and force:
        raise _provided_error()
    if settings.tls.acme and not dry:
        order_if_due(settings, _make_reporter(json), force=force, ask=task == "renew")
    elif not settings.tls.certificate and not dry:
        store = Store(settings.tls.store, settings.name)
        with store.hold_lock():
            reason = store.renew(wanted_names(settings), force=force)
        if reason:
            _print_result(store, f"issued a certificate: {reason}", json)
    return _install_material(settings, task, dry=dry, json=json)


def renew_certificate(settings: Settings, *, force: bool, dry: bool, json: str | None) -> int:
    """Renew the certificate if it is due, and install it. Never makes a new authority.

    On a machine without the store, a new authority would shut out all clients.

    Raises:
        RunbookError: this machine has no authority; and as `issue_certificate`.
    """
    own = not settings.tls.certificate and not settings.tls.acme
    if own and not (settings.tls.store / CURRENT).exists():
        raise _no_authority_error(settings)
    return issue_certificate(settings, force=force, dry=dry, json=json, task="renew")


def deploy_and_renew(settings: Settings, names: Sequence[str], options: DeployOptions) -> int:
    """Deploy, then order the certificate of a public authority if it is due, and install it.

    This order, because the authority asks the edges: before the first deploy they cannot answer.

    Returns:
        The exit code.

    Raises:
        RunbookError: as `deploy_hosts`; or (exit code 2) the deploy is done, but the authority
            issued no certificate.
    """
    code = deploy_hosts(settings, names, options)
    if code != OK or options.dry or not settings.tls.acme:
        return code
    edges = set(settings.inventory.having("edge"))
    # Without one of the edges the certificate could not be installed everywhere.
    left_out = edges - set(settings.inventory.select(names))
    if not edges or left_out or not find_order_reason(settings):
        return code
    # Stdout holds the JSON of the deploy already.
    with redirect_stdout(sys.stderr) if options.json == "-" else nullcontext():
        try:
            order_if_due(settings, _make_reporter(None), force=False)
        except RunbookError as error:
            why = f"the deploy is done; {error.why}"
            raise RunbookError(error.problem, why, error.next, DIFFERS) from None
        return _install_material(settings, "renew", dry=False, json=None)


def prepare_authority(settings: Settings, json: str | None) -> int:
    """Make the next authority, if there is none yet, and add it to the bundle.

    Nothing is issued from it yet.

    Raises:
        RunbookError: there is no authority to replace, or the last rotation is not finished.
    """
    store = _open_store(settings)
    with store.hold_lock():
        if store.load_certificate(PREVIOUS):
            raise RunbookError(
                "the last rotation is not finished",
                "the bundle still holds the authority that it replaced",
                "inv certs.rotate-ca, then inv certs.rotate-ca --finish",
            )
        made = store.load_certificate(NEXT) or store.make_authority(NEXT).certificate
        store.update_bundle()
    _print_result(
        store,
        f"prepared {subject_name(made)}, sha256 {short_fingerprint(sha256_fingerprint(made))}…",
        json,
    )
    _print_result(
        store,
        f"let clients learn {store.bundle} (inv certs.trust), then: inv certs.rotate-ca",
        json,
    )
    return OK


def rotate_authority(settings: Settings, json: str | None) -> int:
    """Switch to the prepared authority (or a new one), and install a certificate from it on all
    edges.

    The bundle keeps both authorities until `finish_rotation`. Before that, running this again only
    does what is still missing.

    Raises:
        RunbookError: there is no authority to replace.
    """
    store = _open_store(settings)
    with store.hold_lock():
        issuer, previous = store.load_certificate(CURRENT), store.load_certificate(PREVIOUS)
        assert issuer, "checked by _open_store"
        # If both are the same, a run was killed before it could switch.
        if previous in (None, issuer):
            if not store.load_certificate(NEXT):
                store.make_authority(NEXT)
            store.write_file(PREVIOUS, issuer)
            store.promote_next()
        reason = store.renew(wanted_names(settings))
    if reason:
        _print_result(store, f"issued a certificate: {reason}", json)
    code = _install_material(settings, "rotate-ca", dry=False, json=json)
    if code == OK:
        _print_result(
            store,
            f"{store.bundle} holds the old and the new authority; once all clients have it:",
            json,
        )
        _print_result(store, "  inv certs.rotate-ca --finish", json)
    return code


def finish_rotation(settings: Settings, json: str | None) -> int:
    """Drop the replaced authority from the bundle.

    Raises:
        RunbookError: no rotation is under way, or an edge does not serve the new certificate.
        Unreachable: an edge does not answer.
    """
    store = _open_store(settings)
    with store.hold_lock():
        if store.load_certificate(PREVIOUS) in (None, store.load_certificate(CURRENT)):
            raise RunbookError(
                "no rotation is under way", "there is nothing to finish", "inv certs.rotate-ca"
            )
        for served in read_edges(settings):
            if served.error:
                raise Unreachable(
                    f"the certificate of {served.host} cannot be read: {served.error}",
                    "it may still be one of the old authority; the bundle was not changed",
                    served.error.next,
                )
            if served.certificate != store.load_certificate(LEAF):
                raise RunbookError(
                    f"{served.host} does not serve the certificate of the new authority yet",
                    "without the old authority, its clients would be shut out; the bundle was not"
                    " changed",
                    "inv certs.rotate-ca",
                )
        (store.folder / PREVIOUS).unlink()
        store.update_bundle()
    _print_result(store, f"{store.bundle} holds the new authority only", json)
    return OK


def _open_store(settings: Settings) -> Store:
    if settings.tls.certificate:
        raise _provided_error()
    if settings.tls.acme:
        raise RunbookError(
            f"the certificate comes from {authority_name(settings)}",
            "tls.acme is set in the site file, so there is no authority of ours to replace",
            "inv certs.renew --force   (a new certificate with a new key)",
        )
    settings.inventory.first_having("edge")
    store = Store(settings.tls.store, settings.name)
    if not store.load_certificate(CURRENT):
        raise _no_authority_error(settings)
    return store


def _install_material(settings: Settings, task: str, *, dry: bool, json: str | None) -> int:
    # The monitoring host verifies the edges, so it must know who issued their certificate.
    phases = ("edge", "monitoring")
    options = DeployOptions(task=f"certs.{task}", phases=phases, dry=dry, json=json)
    return deploy_hosts(settings, [], options)


def _print_result(store: Store, text: str, json: str | None) -> None:
    from rich.text import Text

    open_console(json).print(Text(text))


def _make_reporter(json: str | None) -> Callable[[str], object]:
    """Shows a line where the JSON is not."""
    from rich.text import Text

    out = open_console(json)
    return lambda line: out.print(Text(line))


def _provided_error() -> RunbookError:
    return RunbookError(
        "the site uses its own certificate",
        "tls.certificate is set in the site file, so nothing is issued here",
        "put the new files there, then inv certs.renew",
    )


def _no_authority_error(settings: Settings) -> RunbookError:
    return RunbookError(
        f"there is no authority in {settings.tls.store}",
        "clients do not know a new authority, so it is made only on request",
        "inv certs.issue   (or run this on the machine that has the store)",
    )
