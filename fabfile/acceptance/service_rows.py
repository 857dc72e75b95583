"""The rows of what users ask for, R3-R13 and R19, from what a run has seen."""

from __future__ import annotations

from collections import Counter

from ..settings.bingo import SERVICE
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
    slow_alone,
    with_those_alone,
    write_row,
)
from .run_state import ALONE, CheckRun

COUNTED = tuple(SERVICE.counted)
"""The endpoints that an edge counts one by one."""


def freshness_row(run: CheckRun, id: str) -> Freshness:
    """All that is known of the freshness of one of R4-R11."""
    shown = list(run.shown[id])
    if id in SINGLE:
        samples = [s for s in run.loads["steady"].samples if s.endpoint == id]
        timed = compare_ways(samples, run.ranges[id].top)
        shown += [timed] if timed else []
    return judge_freshness(run.looks[id], shown)


def service_rows(run: CheckRun) -> list[Row]:
    """All of them."""
    steady, peak, proof = run.loads["steady"], run.loads["peak"], run.plan.proof

    refusal = run.ledger.refusal
    searching = slow_alone({id: [look.seconds for look in run.looks[id]] for id in SINGLE})

    def one_row(id: str, endpoint: Endpoint) -> Row:
        samples, problems, name = run.samples[id], run.problems[id], endpoint.title
        match endpoint.kind:
            case "health":
                return ping_row(samples)
            case "list":
                share = endpoint.errors_percent / 100
                return list_row(id, name, samples, freshness_row(run, id), share)
            case "create":
                return write_row(id, name, samples, problems)
            case "delete":
                return write_row(id, name, samples, problems, refusal)
        alone = [sample for sample in run.samples[ALONE] if sample.endpoint == id]
        row = single_row(id, name, peak, freshness_row(run, id), searching, proof=proof)
        return with_those_alone(row, alone, peak, problems)

    return [
        rate_row("peak", peak, searching, proof=proof),
        rate_row("steady", steady, searching, proof=False),
        *(one_row(id, endpoint) for id, endpoint in SERVICE.counted.items()),
    ]


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
