"""Judge what users request, R3-R13 and R19, from what a run has measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ..settings.bingo import SERVICE
from ..settings.endpoint import Endpoint
from ..settings.requirements import requirement_of
from ..traffic.calls import SINGLE
from .freshness import Freshness, judge_freshness
from .freshness_timing import judge_timing
from .row import Row
from .rows.service import (
    add_requests_alone,
    list_row,
    ping_row,
    rate_row,
    single_row,
    suspected_missing_indexes,
    write_row,
)
from .run_state import ALONE, CheckRun

COUNTED = tuple(SERVICE.uncached_by_requirement)
"""The endpoints that an edge counts separately."""


def endpoint_freshness(run: CheckRun, id: str) -> Freshness:
    """All that is known of the freshness of one of R4-R11."""
    evidence = list(run.evidence[id])
    if id in SINGLE:
        samples = [sample for sample in run.loads["steady"].samples if sample.endpoint == id]
        if by_timing := judge_timing(samples, run.ranges[id].top):
            evidence.append(by_timing)
    return judge_freshness(run.probes[id], evidence)


def service_rows(run: CheckRun) -> list[Row]:
    """The rows of the loads, then one for each counted endpoint."""
    peak, steady = run.loads["peak"], run.loads["steady"]
    idle_seconds = {id: [probe.seconds for probe in run.probes[id]] for id in SINGLE}
    suspects = suspected_missing_indexes(idle_seconds)
    return [
        rate_row("peak", peak, suspects, proof=run.plan.proof),
        rate_row("steady", steady, suspects, proof=False),
        *(
            _endpoint_row(run, id, endpoint, suspects)
            for id, endpoint in SERVICE.uncached_by_requirement.items()
        ),
    ]


def _endpoint_row(run: CheckRun, id: str, endpoint: Endpoint, suspects: Mapping[str, float]) -> Row:
    requirement, label = requirement_of(id), endpoint.title
    samples, problems = run.samples[id], run.problems[id]
    match SERVICE.find_kind(endpoint):
        case "health":
            return ping_row(samples)
        case "list":
            return list_row(requirement, label, samples, endpoint_freshness(run, id))
        case "create":
            return write_row(requirement, label, samples, problems)
        case "delete":
            refusal = run.own_rows.refusal
            return write_row(requirement, label, samples, problems, refusal=refusal)
    peak = run.loads["peak"]
    row = single_row(
        requirement,
        label,
        peak,
        fresh=endpoint_freshness(run, id),
        suspects=suspects,
        proof=run.plan.proof,
    )
    alone = [sample for sample in run.samples[ALONE] if sample.endpoint == id]
    return add_requests_alone(row, alone, peak, problems)


def count_right_answers(run: CheckRun) -> dict[str, int]:
    """How many right answers over http each counted endpoint gave, by requirement id."""
    samples = [sample for load in run.loads.values() for sample in load.samples]
    samples += [sample for kept in run.samples.values() for sample in kept]
    # By identity, because some samples are kept under two keys.
    unique = {id(sample): sample for sample in samples}
    counts = Counter(sample.endpoint for sample in unique.values() if sample.ok)
    return {id: counts[id] for id in COUNTED if counts[id]}
