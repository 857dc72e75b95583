"""The result of an acceptance check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..engine.errors import RunbookError
from ..settings.requirements import requirement_places
from ..settings.service import Service
from ..traffic.own_rows import RowId, sort_ids
from ..traffic.ranges import searched_values
from ..traffic.timeline import LoadPhase, phase_of
from ..traffic.values import Range
from .plan import Plan
from .row import Row, Verdict
from .rows.drills import drill_rows
from .run_state import CheckRun

if TYPE_CHECKING:
    from ..drills.result import DrillResult


@dataclass(frozen=True, kw_only=True)
class CheckOutcome:
    """What a check found.

    Attributes:
        address: the URL of the service.
        program: the service.
        plan: the size of the run.
        started: seconds since 1970.
        seconds: how long the run took.
        rows: the verdicts, in the order of the requirements.
        ranges: which ids existed, by the id of the call that reads them.
        requests: how many requests were made, with those of the drills.
        lag_p99: seconds by which the load generator was late (99th percentile).
        cpu_share: share of one core that the load generator used.
        doubtful: whether the load generator was too late for its figures to be trusted.
        rows_left: ids of rows that the check created and could not delete.
        rows_perhaps_left: how many rows may exist whose ids are not known.
        phases: the loads, second by second.
        drills: the results of the drills.
    """

    address: str
    program: Service
    plan: Plan
    started: float
    seconds: float
    rows: Sequence[Row]
    ranges: dict[str, Range]
    requests: int
    lag_p99: float
    cpu_share: float
    doubtful: bool
    rows_left: Sequence[RowId]
    rows_perhaps_left: int
    phases: Sequence[LoadPhase] = ()
    drills: Sequence[DrillResult] = ()

    @property
    def ok(self) -> bool:
        """Whether every requirement held or was not tried."""
        return all(row.verdict in (Verdict.HELD, Verdict.NOT_TRIED) for row in self.rows)


def make_outcome(
    run: CheckRun,
    rows: Sequence[Row],
    *,
    other_requests: int,
    started: float,
    seconds: float,
) -> CheckOutcome:
    """The outcome of a finished run.

    Args:
        run: the run.
        rows: its verdicts, in any order.
        other_requests: how many requests were made without a sample in the run.
        started: seconds since 1970.
        seconds: how long the run took.
    """
    loads = run.loads.values()
    requests = other_requests
    requests += sum(len(samples) for samples in run.samples.values())
    requests += sum(len(load.samples) for load in loads)
    return CheckOutcome(
        address=run.client.base,
        program=run.program,
        plan=run.plan,
        started=started,
        seconds=seconds,
        rows=_sorted_rows(run.program, rows),
        ranges={
            reader.id: run.calls.ranges[value]
            for value, reader in searched_values(run.program).items()
        },
        requests=requests,
        lag_p99=max(load.lag_p99 for load in loads),
        cpu_share=max(load.cpu_share for load in loads),
        doubtful=any(load.doubtful for load in loads),
        rows_left=[id for one in run.ledgers.values() for id in sort_ids(one.open)],
        rows_perhaps_left=sum(one.lost for one in run.ledgers.values()),
        phases=[phase_of(name, load) for name, load in run.loads.items()],
    )


def with_drills(
    outcome: CheckOutcome,
    drills: Sequence[DrillResult],
    *,
    why_none: str = "",
    error: RunbookError | None = None,
) -> CheckOutcome:
    """The outcome with the rows of R1 and R2 added; see `drill_rows` for the arguments."""
    program = outcome.program
    rows = [*drill_rows(program, drills, why_none=why_none, error=error), *outcome.rows]
    return replace(
        outcome,
        rows=_sorted_rows(program, rows),
        drills=drills,
        requests=outcome.requests + sum(drill.requests for drill in drills),
        seconds=outcome.seconds + sum(drill.seconds for drill in drills),
    )


def _sorted_rows(program: Service, rows: Sequence[Row]) -> list[Row]:
    places = requirement_places(program)
    return sorted(rows, key=lambda row: places[row.id])
