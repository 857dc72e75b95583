"""`fab check`: the acceptance, against the site's own address or any other, with what its hosts can add."""

from __future__ import annotations

from urllib.parse import urlsplit

from ..engine.errors import RunbookError
from ..engine.report import console
from ..settings import Settings, load
from .acceptance import FULL, QUICK, Secure, with_cache_for
from .acceptance import check as measure
from .acceptance.tls import https_url
from .acceptance.wire import base_url
from .nodefacts import HostFacts

LONGEST = 24 * 60.0
"""Minutes that one look at the cache may take."""


def check(address: str, *, quick: bool, json: str | None, tls: str = "", cache_minutes: str = "") -> int:
    """Measure `address` (without one, the site's service, hosts included); 0 when all held, 1 when a row did not.

    Args:
        address: another service than the site's.
        quick: the short run.
        json: where the figures go for machines.
        tls: that service's https URL; of an address without a port it is the same host.
        cache_minutes: how long to look at the cache, as typed; empty for the plan's own time.

    Raises:
        RunbookError: an option does not fit, no address is known, or nothing answers there (exit code 4).
    """
    plan = QUICK if quick else FULL
    if cache_minutes:
        plan = with_cache_for(plan, _minutes(cache_minutes))
    if address:
        return measure(address, json_path=json, secure=_elsewhere(address, tls), console=console(json), plan=plan)
    if tls:
        raise RunbookError(
            "--tls goes with --address",
            "The site's own https address comes from its site file.",
            "fab check --address http://HOST --tls https://HOST",
        )
    settings: Settings = load()
    if not settings.service:
        raise RunbookError(
            "the site file names no service address", "there is nothing to ask", f"set service in {settings.path}"
        )
    facts, secure = HostFacts(settings), _own(settings)
    return measure(settings.service, json_path=json, facts=facts, secure=secure, console=console(json), plan=plan)


def _minutes(typed: str) -> float:
    try:
        minutes = float(typed)
    except ValueError:
        minutes = 0.0
    if 0 < minutes <= LONGEST:
        return minutes
    raise RunbookError(
        f"--cache-minutes {typed} is no time to look at a cache",
        "Nothing was measured.",
        f"Give minutes, at most {LONGEST:.0f}: fab check --cache-minutes 10",
    )


def _own(settings: Settings) -> Secure:
    from .certs import bundle

    return Secure(settings.https, bundle(settings), settings.tls.names, settings.edge.http3)


def _elsewhere(address: str, tls: str) -> Secure | None:
    """The same host over TLS; None when its port for http is an odd one, for then nothing says which is that for TLS."""
    if tls:
        return Secure(https_url(tls))
    parts = urlsplit(base_url(address))
    return Secure(f"https://{parts.netloc}") if parts.port is None else None
