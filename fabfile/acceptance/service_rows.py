"""The rows of what users ask for, R3-R13 and R19, from what a run has seen."""

from __future__ import annotations

from collections import Counter

from ..settings.requirements import (
    CUSTOMER,
    CUSTOMER_LIST,
    DB_DUMMY,
    MOVIE,
    MOVIE_LIST,
    OPERATION,
    PING,
    SESSION,
    SESSION_CREATE,
    SESSION_DELETE,
    SESSION_LIST,
    Group,
    Requirement,
    requirements_of,
)
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

COUNTED = tuple(
    requirement.id
    for requirement in (*requirements_of(Group.SINGLE_ANSWERS, Group.LISTS, Group.WRITES), PING)
)
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
    """All of them."""
    steady, peak, proof = run.loads["steady"], run.loads["peak"], run.plan.proof

    def single(requirement: Requirement, label: str) -> Row:
        id = requirement.id
        alone = [sample for sample in run.samples[ALONE] if sample.endpoint == id]
        fresh = freshness_of(run, id)
        row = single_row(requirement, label, peak, fresh=fresh, suspects=suspects, proof=proof)
        return with_those_alone(row, alone, peak, run.problems[id])

    def whole(requirement: Requirement, label: str) -> Row:
        id = requirement.id
        return list_row(requirement, label, run.samples[id], freshness_of(run, id))

    def written(requirement: Requirement, label: str, refusal: str = "") -> Row:
        id = requirement.id
        return write_row(requirement, label, run.samples[id], run.problems[id], refusal)

    idle = {id: [look.seconds for look in run.looks[id]] for id in SINGLE}
    suspects = suspected_missing_indexes(idle)
    return [
        rate_row("peak", peak, suspects, proof=proof),
        rate_row("steady", steady, suspects, proof=False),
        single(OPERATION, "POST /operation"),
        single(DB_DUMMY, "GET /db_dummy"),
        single(MOVIE, "GET /api/movie/{id}"),
        single(CUSTOMER, "GET /api/customer/{id}"),
        single(SESSION, "GET /api/session/{id}"),
        whole(MOVIE_LIST, "GET /api/movie"),
        whole(CUSTOMER_LIST, "GET /api/customer"),
        whole(SESSION_LIST, "GET /api/session"),
        written(SESSION_CREATE, "POST /api/session"),
        written(SESSION_DELETE, "DELETE /api/session/{id}", run.ledger.refusal),
        ping_row(run.samples[PING.id]),
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
