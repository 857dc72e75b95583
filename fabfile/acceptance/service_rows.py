"""The rows of what users ask for, R3-R13 and R19, from what a run has seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ..settings.bingo import SERVICE
from ..settings.requirements import requirement_of
from ..settings.service import Endpoint
from ..traffic.calls import SINGLE
from .arms import compare_ways
from .freshness import Freshness, judge_freshness
from .row import Row
from .rows.service import (
    list_row,
    ping_row,
    rate_row,
    single_row,
    suspected_missing_indexes,
    with_those_alone,
    write_row,
)
from .run_state import ALONE, CheckRun

COUNTED = tuple(SERVICE.counted)
"""The endpoints that an edge counts one by one."""


def freshness_of(run: CheckRun, id: str) -> Freshness:
    """All that is known of the freshness of one of R4-R11."""
    shown = list(run.shown[id])
    if id in SINGLE:
        samples = [s for s in run.loads["steady"].samples if s.endpoint == id]
        timed = compare_ways(samples, run.ranges[id].top)
        shown += [timed] if timed else []
    return judge_freshness(run.looks[id], shown)


def service_rows(run: CheckRun) -> list[Row]:
    """The rows of the loads, then one for each counted endpoint."""
    peak, proof = run.loads["peak"], run.plan.proof
    idle = {id: [look.seconds for look in run.looks[id]] for id in SINGLE}
    suspects = suspected_missing_indexes(idle)
    return [
        rate_row("peak", peak, suspects, proof=proof),
        rate_row("steady", run.loads["steady"], suspects, proof=False),
        *(_endpoint_row(run, id, endpoint, suspects) for id, endpoint in SERVICE.counted.items()),
    ]


def _endpoint_row(run: CheckRun, id: str, endpoint: Endpoint, suspects: Mapping[str, float]) -> Row:
    requirement, label = requirement_of(id), endpoint.title
    samples, problems = run.samples[id], run.problems[id]
    match endpoint.kind:
        case "health":
            return ping_row(samples)
        case "list":
            return list_row(requirement, label, samples, freshness_of(run, id))
        case "create":
            return write_row(requirement, label, samples, problems)
        case "delete":
            return write_row(requirement, label, samples, problems, run.ledger.refusal)
    alone = [sample for sample in run.samples[ALONE] if sample.endpoint == id]
    peak, fresh = run.loads["peak"], freshness_of(run, id)
    row = single_row(requirement, label, peak, fresh=fresh, suspects=suspects, proof=run.plan.proof)
    return with_those_alone(row, alone, peak, problems)


def right_answers(run: CheckRun) -> dict[str, int]:
    """How many right answers a run got from each of R4-R13 and R19 (others come from a cache, or
    not by http)."""
    loads = (sample for load in run.loads.values() for sample in load.samples)
    kept = (sample for samples in run.samples.values() for sample in samples)
    seen = {
        id(sample): sample for sample in (*loads, *kept)
    }.values()  # some are kept under two names
    counts = Counter(sample.endpoint for sample in seen if sample.ok)
    return {id: counts[id] for id in COUNTED if counts[id]}
