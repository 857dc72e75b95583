"""The rows of node loss and recovery, R1 and R2. Pure functions of the drills' results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ...engine.errors import RunbookError
from ...settings.bounds import RECOVERY_SECONDS
from ...settings.load import PromisedLoad
from ...settings.requirements import NODE_RECOVERY, Requirement, node_loss
from ...settings.service import Service
from ...traffic.stats import upper_bound
from ..row import Figures, Row, Verdict, judge_figures, not_tried

if TYPE_CHECKING:
    from ...drills.result import DrillResult

NEXT = "fab drill.history, then the failed drill alone: fab drill.NAME"

OWN_STATE = (
    'not judged: each node keeps what users give it (nodes.state = "own"). The other node does not'
    " have it, and a user's next request may meet the other node. It is lost with its node"
)
"""The note on R1 of a program whose nodes keep something: the row counts requests, not what a later
request finds."""


def drill_rows(
    program: Service,
    drills: Sequence[DrillResult],
    *,
    why_none: str = "",
    error: RunbookError | None = None,
) -> list[Row]:
    """R1 and R2.

    Args:
        program: the service.
        drills: the results of the drills.
        why_none: why no drill was run.
        error: the error that stopped the drills; both requirements then fail.
    """
    loss, recovery = _judge_drills(program.load, drills, why_none, error)
    notes = [OWN_STATE] if program.nodes.state == "own" else []
    return [replace(loss, notes=[*loss.notes, *notes]), recovery]


def _judge_drills(
    load: PromisedLoad, drills: Sequence[DrillResult], why_none: str, error: RunbookError | None
) -> tuple[Row, Row]:
    requirement = node_loss(load)
    if error:
        why = f"could not be tried: {error.problem}"
        failed = Row(requirement, Verdict.FAILED, why, error.next)
        return failed, replace(failed, requirement=NODE_RECOVERY)
    if not drills:
        return not_tried(requirement, why_none), not_tried(NODE_RECOVERY, why_none)
    return loss_row(load, drills), recovery_row(drills)


def _drills_for(
    requirement: Requirement, drills: Sequence[DrillResult]
) -> tuple[list[DrillResult], str]:
    """The drills that tested a requirement, and the reason if there are none."""
    related = [drill for drill in drills if requirement.id in drill.requirements]
    tried = [drill for drill in related if drill.verdict != Verdict.NOT_TRIED]
    if tried:
        return tried, ""
    reasons = dict.fromkeys(f"{drill.name}: {drill.why}" for drill in related)
    return [], "; ".join(reasons) or f"no drill tests {requirement.id}"


def loss_row(load: PromisedLoad, drills: Sequence[DrillResult]) -> Row:
    """R1: the requests that failed while nodes were lost, in each drill and in all together.

    A drill that broke its own, narrower bounds fails the row too.
    """
    requirement = node_loss(load)
    tried, why = _drills_for(requirement, drills)
    if not tried:
        return not_tried(requirement, why)
    figures, share = _sum_figures(tried), requirement.error_share
    verdict, why = judge_figures(figures, share, proof=True)
    failed = [
        drill
        for drill in tried
        if drill.verdict == Verdict.FAILED or drill.failures > share * drill.requests
    ]
    notes = [", ".join(f"{drill.name}: {_describe_drill(drill)}" for drill in tried)]
    if failed:
        why = "; ".join(
            f"{drill.name}: {_first_broken(drill.why) or _describe_drill(drill)}"
            for drill in failed
        )
        verdict = Verdict.FAILED
    next = "" if verdict is Verdict.HELD else NEXT
    return Row(requirement, verdict, why, next, figures=figures, share=share, notes=notes)


def _first_broken(why: str) -> str:
    """The first of the bounds that a drill broke; the drill's own table has all of them."""
    first, *others = why.split("; ")
    return f"{first}, and {len(others)} more" if others else first


def _describe_drill(drill: DrillResult) -> str:
    return f"{drill.failures} of {drill.requests} failed, longest gap {drill.gap_s:.1f} s"


def _sum_figures(drills: Sequence[DrillResult]) -> Figures:
    """Requests and errors of all drills together. Latencies are missing: no drill keeps them."""
    kinds: Counter[str] = Counter()
    for drill in drills:
        for endpoint_kinds in drill.failed.values():
            kinds.update(endpoint_kinds)
    n, errors = sum(drill.requests for drill in drills), kinds.total()
    return Figures(n, errors, dict(kinds.most_common()), error_upper=upper_bound(errors, n))


def recovery_row(drills: Sequence[DrillResult]) -> Row:
    """R2: the node recovered in time in every drill. Without a measured time it is not proven."""
    tried, why = _drills_for(NODE_RECOVERY, drills)
    if not tried:
        return not_tried(NODE_RECOVERY, why)
    wrong, unknown = [], []
    for drill in tried:
        if drill.recover_s is None and drill.verdict == Verdict.FAILED:
            wrong.append(f"{drill.name}: did not recover")
        elif drill.recover_s is None:
            unknown.append(f"{drill.name} measured no recovery time")
        elif not drill.recover_s < RECOVERY_SECONDS:
            wrong.append(f"{drill.name}: recovered only after {drill.recover_s:.0f} s")
    times = ", ".join(
        f"{drill.name} {drill.recover_s:.1f} s" for drill in tried if drill.recover_s is not None
    )
    notes = [f"recovered after: {times}"] if times else []
    if wrong:
        return Row(NODE_RECOVERY, Verdict.FAILED, "; ".join(wrong), NEXT, notes=notes)
    if unknown:
        return Row(NODE_RECOVERY, Verdict.UNPROVEN, "; ".join(unknown), NEXT, notes=notes)
    return Row(NODE_RECOVERY, Verdict.HELD, notes=notes)
