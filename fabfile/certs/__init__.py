"""The edges' certificate: from an authority of our own on this machine, or the user's own files."""

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
    """What the edges must serve, checked; issued now if it is due. None when it is due and
    `may_issue` is false.

    Raises:
        RunbookError: the user's own certificate is unfit, the store is damaged, another run issues
        from it, or the
            authority behind what the edges serve is not on this machine.
    """
    if settings.tls.certificate:
        from .provided import load_provided

        return load_provided(settings).material

    from .names import wanted_names
    from .store import CURRENT, Store

    store, names = Store(settings.tls.store, settings.name), wanted_names(settings)
    if store.due(names) or not store.bundle.exists():
        if not may_issue:
            return None
        if not store.certificate(CURRENT):
            _refuse_stranger(settings)
        with store.locked():
            store.renew(names)
    return store.material(names)


def _refuse_stranger(settings: Settings) -> None:
    """A new authority would shut out all clients that trust the one behind what the edges serve
    now."""
    with open_fleet(settings, settings.inventory.having("edge"), readonly=True) as fleet:
        seen = fleet.each(
            lambda edge: fleet.link(edge).read([f"[ -e {TLS}/current/chain.pem ]"])[0].code == 0
        )
    if serving := [edge for edge, has in seen.items() if has is True]:
        raise RunbookError(
            f"{' and '.join(serving)} have a certificate, but its authority is not in"
            f" {settings.tls.store}",
            "a new authority would shut out every client that trusts the old one; nothing was"
            " issued",
            f"copy {settings.tls.store} from the machine that deployed last; or start over:"
            " inv certs.issue",
        )


def trust_bundle(settings: Settings) -> Path | None:
    """What to verify the edges with; None when that is this machine's own trust store (or
    nothing was issued yet)."""
    from .store import BUNDLE

    path = settings.tls.store / BUNDLE
    return None if settings.tls.certificate or not path.exists() else path
