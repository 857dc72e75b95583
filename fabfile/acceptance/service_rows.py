"""Judge what users request, the load and each endpoint, from what a run has measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ..settings.endpoint import Endpoint
from ..settings.requirements import endpoint_requirement
from .freshness import Freshness, judge_freshness
from .freshness_timing import is_timed, judge_timing
from .row import Row, not_tried
from .rows.service import (
    add_requests_alone,
    list_row,
    live_row,
    rate_row,
    single_row,
    suspected_missing_indexes,
    write_row,
)
from .run_state import ALONE, CheckRun

NO_WEIGHT = "its sample request has no weight in the service file, so none was sent"
NEEDS_ROW = "it needs a row of our own, and a check has none while it offers its load"
NOT_DELETABLE = (
    "the service file has no sample body, or no DELETE for the rows, so the check creates none"
)


def endpoint_freshness(run: CheckRun, endpoint: Endpoint) -> Freshness | None:
    """All that is known of the freshness of an endpoint; None if it may come from a cache."""
    if not endpoint.never_cached:
        return None
    id, evidence = endpoint.id, list(run.evidence[endpoint.id])
    if is_timed(run.program, endpoint):
        samples = [sample for sample in run.loads["steady"].samples if sample.endpoint == id]
        rule, known = run.program.values[endpoint.value], run.calls.ranges.get(endpoint.value)
        rows = known.top if known else rule.last
        if by_timing := judge_timing(samples, rows):
            evidence.append(by_timing)
    return judge_freshness(run.probes[id], evidence)


def service_rows(run: CheckRun) -> list[Row]:
    """The rows of the loads, then one for each measured endpoint without a cache."""
    peak, steady, load = run.loads["peak"], run.loads["steady"], run.program.load
    timed = [one.id for one in run.program.measured if is_timed(run.program, one)]
    idle_seconds = {id: [probe.seconds for probe in run.probes[id]] for id in timed}
    suspects = suspected_missing_indexes(idle_seconds)
    return [
        rate_row(load, "peak", peak, suspects, proof=run.plan.proof),
        rate_row(load, "steady", steady, suspects, proof=False),
        *(
            _endpoint_row(run, endpoint, suspects)
            for endpoint in run.program.measured
            if not endpoint.cache
        ),
    ]


def _endpoint_row(run: CheckRun, endpoint: Endpoint, suspects: Mapping[str, float]) -> Row:
    requirement, samples = endpoint_requirement(run.program, endpoint), run.samples[endpoint.id]
    match run.program.find_kind(endpoint):
        case "health":
            return live_row(requirement, endpoint.expect, run.program.health.ill, samples)
        case "list":
            return list_row(requirement, samples, endpoint_freshness(run, endpoint))
        case "create" | "delete":
            return _write_row(run, endpoint)
    if endpoint not in run.calls.load_endpoints():
        own = run.calls.needs_own_row(endpoint)
        return not_tried(requirement, NEEDS_ROW if own else NO_WEIGHT)
    peak, id = run.loads["peak"], endpoint.id
    row = single_row(
        requirement,
        peak,
        p90_bound=run.program.latency_bound(endpoint),
        fresh=endpoint_freshness(run, endpoint),
        suspects=suspects,
        proof=run.plan.proof,
        slow_by_design=endpoint.sample.slow_by_design,
    )
    alone = [sample for sample in run.samples[ALONE] if sample.endpoint == id]
    return add_requests_alone(row, alone, peak, run.problems[id])


def _write_row(run: CheckRun, endpoint: Endpoint) -> Row:
    requirement = endpoint_requirement(run.program, endpoint)
    own_rows = next(
        (one for one in run.ledgers.values() if endpoint in (one.of.create, one.of.delete)), None
    )
    if own_rows is None:
        return not_tried(requirement, NOT_DELETABLE)
    refusal = own_rows.refusal if endpoint == own_rows.of.delete else ""
    samples, problems = run.samples[endpoint.id], run.problems[endpoint.id]
    return write_row(requirement, samples, problems, refusal=refusal)


def count_right_answers(run: CheckRun) -> dict[str, int]:
    """How many right answers over http each counted endpoint gave, by its id."""
    samples = [sample for load in run.loads.values() for sample in load.samples]
    samples += [sample for kept in run.samples.values() for sample in kept]
    # By identity, because some samples are kept under two keys.
    unique = {id(sample): sample for sample in samples}
    counts = Counter(sample.endpoint for sample in unique.values() if sample.ok)
    counted = [endpoint.id for endpoint in run.program.measured if not endpoint.cache]
    return {id: counts[id] for id in counted if counts[id]}
