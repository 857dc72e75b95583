"""One acceptance from beginning to end: measured, drilled, shown, and written where it was asked
for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..acceptance.host_facts import NodeFacts
from ..acceptance.plan import FULL, QUICK, Plan
from ..acceptance.tls import Secure
from ..console.json_file import write_json
from ..engine.errors import RunbookError

if TYPE_CHECKING:
    from rich.console import Console

    from ..acceptance.run import CheckOutcome
    from ..drills.result import DrillResult


def measure_service(
    address: str,
    *,
    quick: bool = False,
    json_path: str | None = None,
    report: Path | None = None,
    facts: NodeFacts | None = None,
    secure: Secure | None = None,
    drill: Callable[[Console], Sequence[DrillResult]] | None = None,
    undrilled: str = "needs hosts that may be failed; only the address of the service was given",
    console: Console | None = None,
    plan: Plan | None = None,
) -> int:
    """Measure the service at `address` and show the verdicts; 0 when all held (or could not be
    tried), else 1.

    Args:
        address: `http://HOST[:PORT]` or `HOST[:PORT]`.
        quick: half a minute instead of some; see `plan` for what each still proves.
        json_path: where the figures go for machines; `-` is standard output, and all else then goes
            to standard error.
        report: the folder for a page with the same content and its curves.
        facts: who can look at the hosts for R15, R17, R18 and R20-R22.
        secure: the same service over TLS, for R14 and R15; they are not tried without it.
        drill: who runs the drills for R1 and R2, after all else; they are not tried without it, and
            `undrilled` says why.
        undrilled: see `drill`.
        console: where people look; standard output if not given.
        plan: other sizes than `quick` chooses.

    Raises:
        Unreachable: nothing answers at the address (exit code 4).
        RunbookError: the address is none, or the JSON or the page cannot be written.
    """
    import asyncio

    from rich.console import Console

    from ..acceptance.export import as_json, refuse_bad_path
    from ..acceptance.progress import LiveView
    from ..acceptance.run import measure_all
    from ..acceptance.table import show_outcome_table
    from ..report import refuse_bad_folder, write_report

    screen = Console(stderr=True) if json_path == "-" else console or Console()
    if json_path:
        refuse_bad_path(json_path)
    if report:
        refuse_bad_folder(report)
    with LiveView(screen) as view:
        outcome = asyncio.run(
            measure_all(address, plan or (QUICK if quick else FULL), view, facts, secure)
        )
    outcome = _add_drill_rows(outcome, drill, undrilled, screen)
    show_outcome_table(outcome, screen)
    if json_path:
        write_json(as_json(outcome), json_path)
    if report:
        page = write_report(report, as_json(outcome), [drill.as_json() for drill in outcome.drills])
        screen.print(f"The report: {page}", soft_wrap=True)
    return 0 if outcome.ok else 1


def _add_drill_rows(
    outcome: CheckOutcome,
    drill: Callable[[Console], Sequence[DrillResult]] | None,
    undrilled: str,
    screen: Console,
) -> CheckOutcome:
    """`outcome` with R1 and R2; whatever keeps the drills from their end, what was measured
    before is worth its table."""
    from ..acceptance.run import with_drills
    from ..acceptance.table import show_outcome_table

    try:
        return with_drills(outcome, drill(screen) if drill else (), undrilled)
    except RunbookError as error:
        return with_drills(outcome, (), "", error)
    except KeyboardInterrupt:
        show_outcome_table(with_drills(outcome, (), "interrupted"), screen)
        raise
