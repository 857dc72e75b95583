"""Order a certificate from the public authority when it is due: prove the names, verify what comes
back, keep it. Installing it is the work of a deploy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

from ..engine.errors import RunbookError
from ..settings.settings import Settings
from .acme_store import (
    ACCOUNT,
    authority_name,
    authority_of,
    find_order_reason,
    keep_certificate,
    open_store,
)
from .challenge import publish_answers
from .names import certified_names
from .store import LEAF, Store

ShowLine = Callable[[str], object]
"""Shows a line to the operator."""


def order_if_due(settings: Settings, show: ShowLine, *, force: bool, ask: bool = False) -> None:
    """Order a certificate if it is due, or if `force` is set.

    Args:
        settings: the site.
        show: shows what is done.
        force: order although the present certificate is good.
        ask: also ask the authority whether it wants the present certificate to be renewed.

    Raises:
        RunbookError: the authority refuses or cannot be reached, or what it issued is not good. The
            present certificate stays.
        Locked: another run is ordering.
    """
    store = open_store(settings)
    with store.hold_lock():
        reason = find_order_reason(settings) or ("requested" if force else "")
        if not reason and ask and _is_renewal_wanted(settings, store):
            reason = "the authority wants it to be renewed"
        if reason:
            _order(settings, store, reason, show)


def _order(settings: Settings, store: Store, reason: str, show: ShowLine) -> None:
    from .acme_client import AcmeClient

    names = certified_names(settings)
    show(f"ordering a certificate for {names} from {authority_name(settings)}: {reason}")

    @contextmanager
    def publish(answers: Mapping[str, str]) -> Iterator[None]:
        with publish_answers(settings, answers) as answering:
            edges = [edge.name for edge in settings.inventory.having("edge")]
            if down := [edge for edge in edges if edge not in answering]:
                show(f"{' and '.join(down)} cannot answer the authority; the other edge does")
            yield

    client = AcmeClient(authority_of(settings), store.folder / ACCOUNT)
    chain, key = client.order(names.dns, publish)
    issued = keep_certificate(settings, chain, key)
    show(f"issued a certificate: {reason}; it is good until {issued.material.not_after}")


def _is_renewal_wanted(settings: Settings, store: Store) -> bool:
    """Whether the authority asks for a renewal; False if it cannot be asked, for the present
    certificate is still good."""
    from .acme_client import AcmeClient

    leaf = store.load_certificate(LEAF)
    with suppress(RunbookError):
        if leaf:
            client = AcmeClient(authority_of(settings), store.folder / ACCOUNT)
            return client.suggests_renewal(leaf)
    return False
