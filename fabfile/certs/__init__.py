"""The certificate of the edges: issued by our own authority on this machine, by a public authority,
or from files that the user provides."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..engine.errors import RunbookError
from ..roles.nginx import TLS
from ..settings.reach import open_fleet
from ..settings.settings import Settings

if TYPE_CHECKING:
    from ..steps.cert import Material


def ready_material(settings: Settings, *, may_issue: bool) -> Material | None:
    """Return the checked certificate that the edges must serve; issue it first if it is due.

    None if it is due and `may_issue` is false. A public authority issues nothing here: it must
    reach the edges first, so until then our own authority issues.

    Raises:
        RunbookError: clients would reject the provided certificate, the store is damaged, another
            run is issuing from it, or the edges serve a certificate whose authority is not on
            this machine.
    """
    if settings.tls.certificate:
        from .provided import load_provided

        return load_provided(settings).material

    if settings.tls.acme:
        from .acme_store import find_order_reason, load_material

        if not may_issue and find_order_reason(settings):
            return None
        if present := load_material(settings):
            return present

    from .names import wanted_names
    from .store import CURRENT, Store

    store, names = Store(settings.tls.store, settings.name), wanted_names(settings)
    if store.find_renewal_reason(names) or not store.bundle.exists():
        if not may_issue:
            return None
        if not store.load_certificate(CURRENT):
            _refuse_new_authority(settings)
        with store.hold_lock():
            store.renew(names)
    return store.load_material(names)


def _refuse_new_authority(settings: Settings) -> None:
    """Raise RunbookError if an edge already serves a certificate.

    A new authority would lock out all clients that trust the present authority.
    """
    with open_fleet(settings, settings.inventory.having("edge"), readonly=True) as fleet:
        seen = fleet.each(
            lambda edge: fleet.link(edge).read([f"[ -e {TLS}/current/chain.pem ]"])[0].code == 0
        )
    if serving := [edge for edge, has in seen.items() if has is True]:
        raise RunbookError(
            f"{' and '.join(serving)} have a certificate, but its authority is not in"
            f" {settings.tls.store}",
            "clients that trust the old authority would reject a new one; nothing was issued",
            f"copy {settings.tls.store} from the machine that deployed last; or start over: inv"
            " certs.issue",
        )


def trust_bundle(settings: Settings) -> Path | None:
    """Return the bundle that verifies the edges.

    None if this machine's trust store verifies them, or if nothing was issued yet.
    """
    from .store import BUNDLE, LEAF

    if settings.tls.acme:
        from .acme_store import open_store, private_root

        if (open_store(settings).folder / LEAF).exists():
            return private_root(settings)
    path = settings.tls.store / BUNDLE
    return None if settings.tls.certificate or not path.exists() else path
