"""`fab check`: run the acceptance check against the site or any other address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..acceptance.plan import FULL, QUICK, Plan, with_cache_minutes
from ..acceptance.tls import Secure, https_url
from ..console.live_line import show_live_line
from ..console.next_step import list_incidents
from ..console.rollup import open_console
from ..engine.errors import RunbookError
from ..settings.program_texts import ProgramTexts
from ..settings.settings import Settings
from ..settings.site_file import load_program, load_settings
from ..traffic.client import base_url
from .host_facts import HostFacts
from .measure import measure_service

if TYPE_CHECKING:
    from rich.console import Console

    from ..drills.result import DrillResult

MAX_CACHE_MINUTES = 24 * 60.0


@dataclass(frozen=True)
class CheckOptions:
    """The options of `fab check`.

    Attributes:
        quick: the short run.
        json: where to write the JSON; `-` is standard output, None writes none.
        report: the folder for the report page; empty for none.
        drills: run the drills for R1 and R2 even on a real site.
        tls: the https URL of another address. Without it, an address without a port is also tried
            over https.
        cache_minutes: how long to test the cache, as typed; empty for the time of the run.
    """

    quick: bool = False
    json: str | None = None
    report: str = ""
    drills: bool = False
    tls: str = ""
    cache_minutes: str = ""


def check_service(address: str, options: CheckOptions) -> int:
    """Measure `address`, or the site's own service with its hosts if the address is empty.

    Returns:
        The exit code: 0 if every requirement held or was not tried, else 1.

    Raises:
        RunbookError: an option does not fit, or no address is known.
        Unreachable: nothing answers at the address (exit code 4).
    """
    plan = QUICK if options.quick else FULL
    if options.cache_minutes:
        plan = with_cache_minutes(plan, _parse_minutes(options.cache_minutes))
    if address:
        return _check_address(address, options, plan)
    return _check_site(options, plan)


def _check_address(address: str, options: CheckOptions, plan: Plan) -> int:
    _refuse_drills(options)
    secure = _secure_address(address, options.tls)
    return measure_service(
        address,
        load_program(),
        plan=plan,
        json_path=options.json,
        report=_report_folder(options),
        secure=secure,
        console=open_console(options.json),
    )


def _check_site(options: CheckOptions, plan: Plan) -> int:
    if options.tls:
        raise RunbookError(
            "--tls works only together with --address",
            "the site's own https address comes from its site file",
            "fab check --address http://HOST --tls https://HOST",
        )
    settings = load_settings()
    if not settings.service:
        raise RunbookError(
            "the site file has no service address",
            "there is nothing to measure",
            f"set service in {settings.path}",
        )
    why_no_drills = _reason_without_drills(settings, options)
    return measure_service(
        settings.service,
        settings.program,
        headers=ProgramTexts(settings).fill_headers(),
        plan=plan,
        json_path=options.json,
        report=_report_folder(options),
        facts=HostFacts(settings),
        secure=_secure_site(settings),
        run_drills=None if why_no_drills else partial(_run_drills, settings),
        why_no_drills=why_no_drills,
        incidents=list_incidents(settings.program),
        console=open_console(options.json),
    )


def _report_folder(options: CheckOptions) -> Path | None:
    return Path(options.report) if options.report else None


def _refuse_drills(options: CheckOptions) -> None:
    if options.drills:
        raise RunbookError(
            "--drills does not work with --address",
            "drills break hosts of a site on purpose, and an address is not a site; nothing was"
            " measured",
            "fab check --drills   (with the site file of that service)",
        )


def _reason_without_drills(settings: Settings, options: CheckOptions) -> str:
    """Why no drill is run; empty if the drills run: on request, and in every full run of a lab."""
    from ..settings.site_file import in_lab

    if options.drills:
        return ""
    if not in_lab(settings):
        return "nodes of a real site are broken only on request: fab check --drills"
    if options.quick:
        return "a quick run breaks no node: fab check without --quick, or with --drills"
    return ""


def _run_drills(settings: Settings, screen: Console) -> Sequence[DrillResult]:
    from ..drills import run_for_check

    with show_live_line(screen, "drills") as show:
        results = run_for_check(settings, lambda text: show(f"drills for R1 and R2: {text}"))
    verdicts = ", ".join(f"{result.name} {result.verdict}" for result in results)
    screen.print(f"drills: {verdicts}", highlight=False)
    return results


def _parse_minutes(typed: str) -> float:
    try:
        minutes = float(typed)
    except ValueError:
        minutes = 0.0
    if 0 < minutes <= MAX_CACHE_MINUTES:
        return minutes
    raise RunbookError(
        f"--cache-minutes {typed} is not a time in minutes",
        "nothing was measured",
        f"give minutes, at most {MAX_CACHE_MINUTES:.0f}: fab check --cache-minutes 10",
    )


def _secure_site(settings: Settings) -> Secure:
    from ..certs import trust_bundle

    return Secure(
        settings.https,
        bundle=trust_bundle(settings),
        names=settings.tls.names,
        by_name=settings.tls.acme is not None,
        http3=settings.edge.http3,
    )


def _secure_address(address: str, tls: str) -> Secure | None:
    """The service over TLS: `tls` if given, else the same host.

    None if the address has a port: the port for TLS cannot be guessed then.
    """
    if tls:
        return Secure(https_url(tls))
    parts = urlsplit(base_url(address))
    return Secure(f"https://{parts.netloc}") if parts.port is None else None
