"""The rows that the network alone can judge: the load, and each endpoint. Pure functions of
samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...settings.endpoint import Expectation
from ...settings.load import PromisedLoad
from ...settings.requirements import Requirement, carried_load
from ...settings.service import IllAnswer
from ...traffic.load import Load
from ...traffic.retry import failed_alone
from ...traffic.sample import Sample
from ...traffic.stats import percentile_of
from ..freshness import Fresh, Freshness
from ..row import Figures, Row, Verdict, judge_figures, not_tried, show_ms

CARRIED_SHARE = 0.99
"""R3: the least share of the offered requests that must be answered right and in time."""

GRACE = 1.0
"""Seconds after the end of a phase in which its last answers still count as carried."""

SEQ_SCAN_SECONDS = 0.03
"""On an idle service, a single-row read slower than this suggests a missing index."""

INDEXES = "inv db.indexes"
STATUS = "fab status"
FIND_CACHE = "fab plan, and search for a cache between users and app"


def suspected_missing_indexes(seconds: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Endpoints that are slow even without load, with their median in seconds.

    The load itself cannot show whose index is missing: one sequential scan takes the CPU that every
    other query then waits for.

    Args:
        seconds: the times of single-row reads on an idle service, by id of the endpoint.
    """
    medians = {id: percentile_of(sorted(times), 0.5) for id, times in seconds.items() if times}
    fastest = min(medians.values(), default=0.0)
    # Relative as well, because over a slow network every endpoint is slow.
    bound = max(SEQ_SCAN_SECONDS, 5 * fastest)
    return {id: median for id, median in medians.items() if median > bound}


def single_row(
    requirement: Requirement,
    load: Load,
    *,
    p90_bound: float,
    fresh: Freshness | None,
    suspects: Mapping[str, float],
    proof: bool,
    slow_by_design: bool = False,
) -> Row:
    """A single answer at the peak load: errors, p90, never from a cache.

    Args:
        requirement: the requirement.
        load: the peak load.
        p90_bound: seconds that p90 must stay below.
        fresh: what is known of the answers' freshness; None if they may come from a cache.
        suspects: endpoints that lack an index, with their median in seconds.
        proof: whether the bounds must hold at 95 % confidence.
        slow_by_design: whether an answer that comes too fast was cached.
    """
    id, share = requirement.id, requirement.error_share
    samples = [sample for sample in load.samples if sample.endpoint == id]
    figures = Figures.of(samples, load.seconds, bound=p90_bound)
    verdict, why = judge_figures(figures, share, proof=proof, p90_bound=p90_bound)
    next, notes = "", []
    if verdict is not Verdict.HELD:
        next = INDEXES if id in suspects else STATUS
    if id in suspects:
        suspicion = f"it takes {show_ms(suspects[id])} even without load: is its index there?"
        if verdict is Verdict.HELD:
            notes.append(suspicion)
        else:
            why = f"{why}; {suspicion}"
    if slow_by_design:
        fresh = _detect_fast_answers(samples, fresh)
    row = Row(
        requirement,
        verdict,
        why,
        next,
        figures=figures,
        share=share,
        p90_bound=p90_bound,
        notes=notes,
    )
    return _add_freshness(row, samples, fresh)


def add_requests_alone(
    row: Row, alone: Sequence[Sample], load: Load, problems: Sequence[str]
) -> Row:
    """The row of a single answer, failed if requests outside the load failed too often.

    Args:
        row: the row judged by the load.
        alone: the requests outside the load.
        load: the peak load.
        problems: requests that were given up without an answer.
    """
    samples = [sample for sample in load.samples if sample.endpoint == row.id]
    wrong = "; ".join(problems) or failed_alone(alone, samples, row.share or 0.0)
    if not wrong:
        return row
    why = "; ".join(filter(None, [wrong, row.why]))
    return replace(row, verdict=Verdict.FAILED, why=why, next=row.next or STATUS)


def _detect_fast_answers(samples: Sequence[Sample], fresh: Freshness | None) -> Freshness | None:
    """The answer itself takes its time, so one in a quarter of that time comes from a cache."""
    if fresh is None or not fresh.least_seconds:
        return fresh
    bound = fresh.least_seconds / 4
    fast = sum(sample.ok and sample.done - sample.sent < bound for sample in samples)
    if not fast:
        return fresh
    because = (
        f"{fast} of {len(samples)} took less than {show_ms(bound)}, the app takes"
        f" {show_ms(fresh.least_seconds)}"
    )
    return Freshness(Fresh.CACHED, because, fresh.least_seconds)


def list_row(requirement: Requirement, samples: Sequence[Sample], fresh: Freshness | None) -> Row:
    """A whole list, requested one at a time: errors, never from a cache. `fresh` is None if it may
    come from a cache."""
    figures, share = Figures.of(samples), requirement.error_share
    verdict, why = judge_figures(figures, share, proof=False)
    next = "inv db.tune" if verdict is Verdict.FAILED else ""
    row = Row(requirement, verdict, why, next, figures=figures, share=share)
    if fresh and fresh.state is Fresh.UNKNOWN and figures.n - figures.errors == 1:
        # A quick run requests a slow list only once.
        return replace(row, notes=["freshness was not tried: the list was requested only once"])
    return _add_freshness(row, samples, fresh)


def _add_freshness(row: Row, samples: Sequence[Sample], fresh: Freshness | None) -> Row:
    """The row with its freshness. A single cached answer makes it fail."""
    if fresh is None:
        return row
    marked = [sample.mark for sample in samples if sample.mark]
    if marked:
        because = f"{len(marked)} of {len(samples)} answers have a cache's header ({marked[0]})"
        fresh = Freshness(Fresh.CACHED, because)
    row = replace(row, fresh=fresh)
    if fresh.state in (Fresh.PROVEN, Fresh.LIKELY):
        return row
    if fresh.state is Fresh.CACHED:
        why = "; ".join(filter(None, (f"it is cached: {fresh.because}", row.why)))
        return replace(row, verdict=Verdict.FAILED, why=why, next=FIND_CACHE)
    if row.verdict is Verdict.HELD:
        why = f"not known to be fresh: {fresh.because}"
        return replace(row, verdict=Verdict.UNPROVEN, why=why)
    return row


def rate_row(
    promised: PromisedLoad, name: str, load: Load, suspects: Mapping[str, float], *, proof: bool
) -> Row:
    """Whether the offered rate is carried, by all endpoints together.

    Args:
        promised: what the service promises.
        name: the name of the load phase.
        load: the load phase.
        suspects: endpoints that lack an index, with their median in seconds.
        proof: whether the bounds must hold at 95 % confidence.
    """
    figures, share = Figures.of(load.samples, load.seconds), promised.error_share
    verdict, why = judge_figures(figures, share, proof=proof)
    offered = len(load.samples)
    end = load.seconds + GRACE
    carried = sum(sample.ok and sample.done <= end for sample in load.samples)
    if not offered or carried < CARRIED_SHARE * offered:
        rate = carried / load.seconds if load.seconds else 0.0
        text = f"{rate:.1f} of {load.rate:.0f} requests/s were carried"
        verdict, why = Verdict.FAILED, "; ".join(filter(None, (text, why)))
    next = ""
    if verdict is not Verdict.HELD:
        next = INDEXES if suspects else f"{STATUS}: are all nodes serving?"
    return Row(
        carried_load(promised),
        verdict,
        why,
        next,
        label=f"{name}, {load.rate:.0f}/s for {load.seconds:g} s",
        figures=figures,
        share=share,
        notes=_load_doubts(load),
    )


def _load_doubts(load: Load) -> list[str]:
    if not load.doubtful:
        return []
    return [
        f"the load generator was too busy and {show_ms(load.lag_p99)} late (p99): the service is"
        " better than its figures"
    ]


def write_row(
    requirement: Requirement,
    samples: Sequence[Sample],
    problems: Sequence[str],
    *,
    refusal: str = "",
) -> Row:
    """A write: errors, and whether the result could be read back.

    Args:
        requirement: the requirement.
        samples: the requests that wrote.
        problems: writes that were accepted but did not take effect.
        refusal: why the check made no such request.
    """
    if not samples and not problems and refusal:
        return not_tried(requirement, refusal)
    figures, share = Figures.of(samples), requirement.error_share
    verdict, why = judge_figures(figures, share, proof=False)
    if not samples:
        why = "" if problems else "no row could be created"
    if problems:
        verdict, why = Verdict.FAILED, "; ".join(filter(None, (*problems, why)))
    next = STATUS if verdict is Verdict.FAILED else ""
    return Row(requirement, verdict, why, next, figures=figures, share=share)


def live_row(
    requirement: Requirement, right: Expectation, ill: IllAnswer | None, samples: Sequence[Sample]
) -> Row:
    """The live page, with the app's own body. The answer of an unhealthy node cannot be provoked
    here."""
    figures = Figures.of(samples)
    verdict, why = judge_figures(figures, requirement.error_share, proof=False)
    next = STATUS if verdict is Verdict.FAILED else ""
    notes = []
    answer = f"{right.status[0]} `{right.equals}`" if right.equals else f"{right.status[0]}"
    if not figures.errors and ill:
        notes.append(f"{answer} received; a {ill.status} appears only while a node is unhealthy")
    return Row(requirement, verdict, why, next, figures=figures, notes=notes)
