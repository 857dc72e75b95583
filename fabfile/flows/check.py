"""`fab check`: the acceptance, against the site's own address or any other, with what its hosts
can add."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..acceptance.plan import FULL, QUICK, with_cache_for
from ..acceptance.tls import Secure, https_url
from ..console.rollup import open_console
from ..engine.errors import RunbookError
from ..settings.settings import Settings
from ..settings.site_file import load_settings
from ..traffic.client import base_url
from .host_facts import HostFacts
from .measure import measure_service

if TYPE_CHECKING:
    from rich.console import Console

    from ..drills.result import DrillResult

LONGEST = 24 * 60.0
"""Minutes that one look at the cache may take."""


@dataclass(frozen=True)
class CheckOptions:
    """How `fab check` was typed.

    Attributes:
        quick: the short run.
        json: where the figures go for machines; `-` is stdout, None nowhere.
        report: the folder for the page; empty: none.
        drills: run the drills for R1 and R2 also where they are not run unasked.
        tls: with another address, its https URL; of an address without a port it is the same host.
        cache_minutes: how long to look at the cache, as typed; empty for the plan's own time.
    """

    quick: bool = False
    json: str | None = None
    report: str = ""
    drills: bool = False
    tls: str = ""
    cache_minutes: str = ""


def check_service(address: str, options: CheckOptions) -> int:
    """Measure `address` (without one, the site's service, hosts included); 0 when all held, 1 when
    a row did not.

    Raises:
        RunbookError: an option does not fit, no address is known, or nothing answers there (exit
        code 4).
    """
    plan = QUICK if options.quick else FULL
    if options.cache_minutes:
        plan = with_cache_for(plan, _parse_minutes(options.cache_minutes))
    screen, report = open_console(options.json), Path(options.report) if options.report else None
    if address:
        _refuse_drills(options)
        secure = _other_target(address, options.tls)
        return measure_service(
            address, json_path=options.json, report=report, secure=secure, console=screen, plan=plan
        )
    if options.tls:
        raise RunbookError(
            "--tls goes with --address",
            "The site's own https address comes from its site file.",
            "fab check --address http://HOST --tls https://HOST",
        )
    settings: Settings = load_settings()
    if not settings.service:
        raise RunbookError(
            "the site file names no service address",
            "there is nothing to ask",
            f"set service in {settings.path}",
        )
    why = _reason_without_drills(settings, options)
    return measure_service(
        settings.service,
        json_path=options.json,
        report=report,
        facts=HostFacts(settings),
        secure=_own_target(settings),
        drill=None if why else partial(_make_drills, settings),
        undrilled=why,
        console=screen,
        plan=plan,
    )


def _refuse_drills(options: CheckOptions) -> None:
    if options.drills:
        raise RunbookError(
            "--drills does not go with --address",
            "Drills fail hosts of the site on purpose, and an address is not a site. Nothing was"
            " measured.",
            "fab check --drills   (with the site file of that service)",
        )


def _reason_without_drills(settings: Settings, options: CheckOptions) -> str:
    """Why no drill is run; empty when they are: in a lab's full run, and wherever they were
    asked for."""
    from ..settings.site_file import in_lab

    if options.drills:
        return ""
    if not in_lab(settings):
        return "nodes of a real site are failed only when asked for: fab check --drills"
    return (
        "a quick run fails no node: fab check without --quick, or with --drills"
        if options.quick
        else ""
    )


def _make_drills(settings: Settings, screen: Console) -> Sequence[DrillResult]:
    from ..drills import run_for_check

    with screen.status("drills") as status:
        results = run_for_check(
            settings, lambda text: status.update(f"drills for R1 and R2: {text}")
        )
    screen.print(
        f"drills: {', '.join(f'{result.name} {result.verdict}' for result in results)}",
        highlight=False,
    )
    return results


def _parse_minutes(typed: str) -> float:
    try:
        minutes = float(typed)
    except ValueError:
        minutes = 0.0
    if 0 < minutes <= LONGEST:
        return minutes
    raise RunbookError(
        f"--cache-minutes {typed} is not a time in minutes",
        "Nothing was measured.",
        f"Give minutes, at most {LONGEST:.0f}: fab check --cache-minutes 10",
    )


def _own_target(settings: Settings) -> Secure:
    from ..certs import trust_bundle

    return Secure(settings.https, trust_bundle(settings), settings.tls.names, settings.edge.http3)


def _other_target(address: str, tls: str) -> Secure | None:
    """The same host over TLS; None when its port for http is an odd one, for then nothing says
    which is that for TLS."""
    if tls:
        return Secure(https_url(tls))
    parts = urlsplit(base_url(address))
    return Secure(f"https://{parts.netloc}") if parts.port is None else None
