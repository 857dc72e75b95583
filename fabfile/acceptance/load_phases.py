"""The phases of a check in order: reach the service, find the ids, write sessions, offer load."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import Callable, Iterable, Sequence

from ..engine.errors import Unreachable
from ..settings.requirements import CUSTOMER, MOVIE, PING, SESSION, SESSION_CREATE, SESSION_DELETE
from ..traffic.calls import (
    SINGLE,
    Range,
    any_row,
    database_call,
    find_range,
    ping_call,
    some_operation,
)
from ..traffic.client import Client, Request, Response
from ..traffic.load import OnAnswer, mix_calls, offer_load
from ..traffic.own_rows import OwnRows
from ..traffic.sample import Sample, Watch
from .freshness_timing import repeat_unique_novel
from .plan import Plan
from .run_state import CheckRun

REACH_TRIES = 3
"""Requests to a silent address before the check gives up."""

REACH_TIMEOUT = 3.0
"""Seconds for each of these requests."""

REACH_PAUSE = 0.3
"""Seconds between two of these requests."""

PING_RATE = 20
"""Pings per second."""

RequestMaker = Callable[[], Request]
RowRequests = Callable[[str, Range, random.Random], RequestMaker]
"""Given an endpoint, its ids and a source of chance: what makes requests for single rows."""


async def reach_service(client: Client, watch: Watch) -> list[Sample]:
    """Check that anything speaks HTTP at the address. What it answers is judged later.

    Returns:
        The samples of requests without an answer, which count as failures of R19.

    Raises:
        Unreachable: no request was answered.
    """
    watch.phase("is anything there", 0)
    failed: list[Sample] = []
    while True:
        answer = await client.ask(ping_call(), timeout=REACH_TIMEOUT)
        if answer.status:
            return failed
        failed.append(
            Sample(
                endpoint=PING.id,
                intended=answer.sent,
                woke=answer.sent,
                sent=answer.sent,
                done=answer.done,
                error=answer.error,
            )
        )
        if len(failed) == REACH_TRIES:
            break
        await asyncio.sleep(REACH_PAUSE)
    raise Unreachable(
        f"{client.base} does not answer: {answer.error}",
        "the acceptance check measures what users see over the network; nothing was measured",
        "fab status",
    )


async def prepare_run(client: Client, plan: Plan, watch: Watch) -> CheckRun:
    """Find out which ids exist. These requests are judged like those of a load."""
    watch.phase("which ids exist", 0)
    alone: list[Sample] = []
    searches = [find_range(client, endpoint, alone.append) for endpoint in SINGLE]
    ranges = dict(zip(SINGLE, await asyncio.gather(*searches), strict=True))
    rng = random.Random()
    sessions = ranges[SESSION.id]
    own_rows = OwnRows(sessions, ranges[CUSTOMER.id], ranges[MOVIE.id], rng)
    run = CheckRun(client=client, plan=plan, watch=watch, rng=rng, ranges=ranges, own_rows=own_rows)
    for endpoint, known in ranges.items():
        if not known.known:
            run.problems[endpoint].append(known.why)
    if not sessions.known:
        # Without the highest existing id nobody could distinguish our sessions from those of users.
        for requirement in (SESSION_CREATE, SESSION_DELETE):
            run.problems[requirement.id].append(f"no session was created: {sessions.why}")
    for sample in alone:
        run.keep_alone(sample)
    return run


async def find_missing_ranges(run: CheckRun) -> None:
    """Search again for ids that an outage hid, so that the loads request rows that exist.

    The requirements of these ids fail in any case.
    """
    for endpoint in SINGLE:
        if not run.ranges[endpoint].known:
            found = await find_range(run.client, endpoint, run.keep_alone)
            if found.known:
                run.ranges[endpoint] = found


async def write_sessions(run: CheckRun) -> None:
    """Create sessions at an even rate, then delete them (R12, R13).

    Does nothing if the run could not distinguish its sessions from those of users.
    """
    plan, own_rows = run.plan, run.own_rows
    created: list[int] = []
    if own_rows.refusal:
        return
    run.watch.phase("sessions created and deleted", 2 * plan.writes)

    def keep_answer(request: Request, sample: Sample, answer: Response) -> None:
        run.samples[request.endpoint].append(sample)
        run.watch.saw(sample)
        if request.endpoint == SESSION_DELETE.id:
            own_rows.deleted(int(request.path.rpartition("/")[2]), answer)
        elif (number := own_rows.posted(request, answer)) is not None:
            created.append(number)

    async def offer(requests: Iterable[Request]) -> None:
        await offer_load(
            run.client, requests, rate=plan.write_rate, timeout=plan.timeout, on_answer=keep_answer
        )

    # A generator, because own_rows must know each session only from its own request on.
    await offer(own_rows.post() for _ in range(plan.writes))
    await offer([own_rows.delete(number) for number in created])


def request_makers(run: CheckRun, row_requests: RowRequests) -> list[RequestMaker]:
    """One maker of requests for each of R4-R8; `row_requests` makes those of R6-R8."""
    rows = [row_requests(endpoint, run.ranges[endpoint], run.rng) for endpoint in SINGLE]
    return [lambda: some_operation(run.rng), database_call, *rows]


def steady_row_requests(run: CheckRun) -> RowRequests:
    """Rows in three ways, if the service accepts an unknown query string; else any rows."""
    accepts_query = any(probe.unique for endpoint in SINGLE for probe in run.probes[endpoint])
    return repeat_unique_novel if accepts_query else any_row


async def run_load(
    run: CheckRun, name: str, makers: Sequence[RequestMaker], *, rate: float, seconds: float
) -> None:
    """Offer a load of `rate` requests per second, in equal shares of the makers, open loop."""
    count = round(rate * seconds)
    run.watch.phase(f"{name} load, {rate:.0f} requests/s", count)
    requests = mix_calls(makers, count, run.rng)
    gc.disable()  # a pause for garbage collection would be measured as latency of the service
    try:
        run.loads[name] = await offer_load(
            run.client, requests, rate=rate, timeout=run.plan.timeout, on_answer=_show_sample(run)
        )
    finally:
        gc.enable()


async def run_pings(run: CheckRun) -> None:
    """Send pings at an even rate (R19)."""
    run.watch.phase("ping", run.plan.pings)
    requests = (ping_call() for _ in range(run.plan.pings))
    load = await offer_load(
        run.client, requests, rate=PING_RATE, timeout=run.plan.timeout, on_answer=_show_sample(run)
    )
    run.samples[PING.id] += load.samples


def _show_sample(run: CheckRun) -> OnAnswer:
    """A callback for `offer_load` that shows each sample on the progress display."""
    return lambda request, sample, answer: run.watch.saw(sample)
