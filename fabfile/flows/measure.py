"""Run one acceptance check: measure, run the drills, print the result and write the files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..acceptance.host_facts import NodeFacts
from ..acceptance.plan import FULL, Plan
from ..acceptance.tls import Secure
from ..console.json_file import write_json
from ..console.next_step import match_names, show_next_step
from ..engine.errors import RunbookError
from ..engine.secret import Secret
from ..settings.service import Service

if TYPE_CHECKING:
    from rich.console import Console

    from ..acceptance.outcome import CheckOutcome
    from ..drills.result import DrillResult

NO_HOSTS = "needs hosts that may be failed; only the address of the service was given"


def measure_service(
    address: str,
    program: Service,
    *,
    headers: Mapping[str, Secret] = MappingProxyType({}),
    plan: Plan = FULL,
    json_path: str | None = None,
    report: Path | None = None,
    facts: NodeFacts | None = None,
    secure: Secure | None = None,
    run_drills: Callable[[Console], Sequence[DrillResult]] | None = None,
    why_no_drills: str = NO_HOSTS,
    incidents: Mapping[str, str] | None = None,
    console: Console | None = None,
) -> int:
    """Measure the service at `address` and print the verdicts.

    Args:
        address: `http://HOST[:PORT]` or `HOST[:PORT]`.
        program: what answers there.
        headers: of every request.
        plan: the size of the run.
        json_path: where to write the JSON. `-` is standard output; the table then goes to standard
            error.
        report: the folder for the report page.
        facts: access to the hosts, for R15, R17, R18 and R20-R22.
        secure: the same service over TLS, for R14 and R15.
        run_drills: runs the drills for R1 and R2, after all else.
        why_no_drills: the reason shown if there is no `run_drills`.
        incidents: by requirement, the incident of which a failed row is a sign; None for an address
            alone, which has no hosts to ask.
        console: where to print; standard output by default.

    Returns:
        The exit code: 0 if every requirement held or was not tried, else 1.

    Raises:
        Unreachable: nothing answers at the address (exit code 4).
        RunbookError: the address is invalid, or the JSON or the report cannot be written.
    """
    import asyncio

    from rich.console import Console

    from ..acceptance.progress import LiveView
    from ..acceptance.row import Verdict
    from ..acceptance.run import measure_all
    from ..acceptance.table import show_outcome_table

    screen = Console(stderr=True) if json_path == "-" else console or Console()
    _refuse_bad_paths(json_path, report)

    async def measure() -> CheckOutcome:
        return await measure_all(
            address, program, plan, view, headers=headers, facts=facts, secure=secure
        )

    with LiveView(screen) as view:
        outcome = asyncio.run(measure())
    outcome = _add_drill_rows(outcome, run_drills, why_no_drills, screen)
    show_outcome_table(outcome, screen)
    _write_files(outcome, json_path, report, screen)
    if incidents is not None:
        failed = [row.id for row in outcome.rows if row.verdict is Verdict.FAILED]
        show_next_step(screen, match_names(failed, incidents))
    return 0 if outcome.ok else 1


def _refuse_bad_paths(json_path: str | None, report: Path | None) -> None:
    """Before minutes of measuring."""
    from ..acceptance.export import refuse_bad_path
    from ..report import refuse_bad_folder

    if json_path:
        refuse_bad_path(json_path)
    if report:
        refuse_bad_folder(report)


def _write_files(
    outcome: CheckOutcome, json_path: str | None, report: Path | None, screen: Console
) -> None:
    from ..acceptance.export import as_json
    from ..report import write_report

    write_json(as_json(outcome), json_path)
    if report:
        drills = [drill.as_json() for drill in outcome.drills]
        page = write_report(report, outcome.program.load, as_json(outcome), drills)
        screen.print(f"The report: {page}", soft_wrap=True)


def _add_drill_rows(
    outcome: CheckOutcome,
    run_drills: Callable[[Console], Sequence[DrillResult]] | None,
    why_no_drills: str,
    screen: Console,
) -> CheckOutcome:
    """`outcome` with R1 and R2.

    If the drills fail or are interrupted, what was measured before them is still shown.
    """
    from ..acceptance.outcome import with_drills
    from ..acceptance.table import show_outcome_table

    try:
        drills = run_drills(screen) if run_drills else ()
    except RunbookError as error:
        return with_drills(outcome, (), error=error)
    except KeyboardInterrupt:
        show_outcome_table(with_drills(outcome, (), why_none="interrupted"), screen)
        raise
    return with_drills(outcome, drills, why_none=why_no_drills)
