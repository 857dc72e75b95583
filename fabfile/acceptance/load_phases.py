"""The phases of a check in order: reach the service, find the ids, write rows, offer load."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import Callable, Iterable, Sequence

from ..engine.errors import Unreachable
from ..settings.endpoint import Endpoint
from ..settings.service import Service
from ..traffic.calls import CallMaker, RequestMaker, load_shares
from ..traffic.client import Client, Request, Response
from ..traffic.load import OnAnswer, mix_calls, offer_load
from ..traffic.own_rows import OwnRows, RowId, open_ledgers
from ..traffic.ranges import find_ranges, searched_values
from ..traffic.sample import Sample, Watch
from .freshness_timing import is_timed, repeat_unique_novel
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

RowRequests = Callable[[CallMaker, Endpoint], RequestMaker]
"""What makes the requests of an endpoint that reads one row."""


async def reach_service(client: Client, program: Service, watch: Watch) -> list[Sample]:
    """Check that anything speaks HTTP at the address. What it answers is judged later.

    Returns:
        The samples of requests without an answer, which count as failures of the live page.

    Raises:
        Unreachable: no request was answered.
    """
    watch.phase("is anything there", 0)
    failed: list[Sample] = []
    request = CallMaker(program, {}, random.Random()).live_call()
    while True:
        answer = await client.ask(request, timeout=REACH_TIMEOUT)
        if answer.status:
            return failed
        failed.append(
            Sample(
                endpoint=request.endpoint,
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


async def prepare_run(client: Client, program: Service, plan: Plan, watch: Watch) -> CheckRun:
    """Find out which ids exist. These requests are judged like those of a load."""
    watch.phase("which ids exist", 0)
    alone: list[Sample] = []
    calls = CallMaker(program, {}, random.Random())
    calls.ranges.update(await find_ranges(client, calls, alone.append))
    ledgers = open_ledgers(calls)
    run = CheckRun(client=client, plan=plan, watch=watch, calls=calls, ledgers=ledgers)
    readers = searched_values(program)
    for value, known in calls.ranges.items():
        if not known.known:
            run.problems[readers[value].id].append(known.why)
    for own_rows in ledgers.values():
        if own_rows.refusal:
            # Without the highest existing id nobody could distinguish our rows from those of users.
            why = f"no row was created: {calls.ranges[own_rows.of.users].why}"
            for endpoint in (own_rows.of.create, own_rows.of.delete):
                run.problems[endpoint.id].append(why)
    for sample in alone:
        run.keep_alone(sample)
    return run


async def find_missing_ranges(run: CheckRun) -> None:
    """Search again for ids that an outage hid, so that the loads request rows that exist.

    The requirements of these ids fail in any case.
    """
    found = await find_ranges(run.client, run.calls, run.keep_alone)
    run.calls.ranges.update({value: known for value, known in found.items() if known.known})


async def write_rows(run: CheckRun) -> None:
    """Create rows at an even rate, then delete them, for each ledger.

    Does nothing if the run could not distinguish its rows from those of users.
    """
    for own_rows in run.ledgers.values():
        if not own_rows.refusal:
            await _write_rows_of(run, own_rows)


async def _write_rows_of(run: CheckRun, own_rows: OwnRows) -> None:
    plan = run.plan
    created: list[RowId] = []
    run.watch.phase("rows created and deleted", 2 * plan.writes)

    def keep_answer(request: Request, sample: Sample, answer: Response) -> None:
        run.samples[request.endpoint].append(sample)
        run.watch.saw(sample)
        if not request.ordinal:
            own_rows.deleted(request, answer)
        elif (number := own_rows.posted(request, answer)) is not None:
            created.append(number)

    async def offer(requests: Iterable[Request]) -> None:
        await offer_load(
            run.client, requests, rate=plan.write_rate, timeout=plan.timeout, on_answer=keep_answer
        )

    # A generator, because own_rows must know each row only from its own request on.
    await offer(own_rows.post() for _ in range(plan.writes))
    await offer([own_rows.delete(number) for number in created])


def make_any_row(calls: CallMaker, endpoint: Endpoint) -> RequestMaker:
    """What makes requests for random rows."""
    return calls.maker_of(endpoint)


def request_makers(run: CheckRun, row_requests: RowRequests) -> list[RequestMaker]:
    """The makers of one block of requests, each endpoint with its share; `row_requests` makes those
    for single rows. The live page alone if no endpoint has a weight."""
    calls = run.calls
    endpoints = {endpoint.id: endpoint for endpoint in calls.load_endpoints()}
    if not endpoints:
        return [calls.live_call]
    shares = load_shares({id: endpoint.sample.weight for id, endpoint in endpoints.items()})
    makers: list[RequestMaker] = []
    for id, endpoint in endpoints.items():
        timed = is_timed(calls.program, endpoint)
        maker = row_requests(calls, endpoint) if timed else calls.maker_of(endpoint)
        makers += [maker] * shares[id]
    return makers


def steady_row_requests(run: CheckRun) -> RowRequests:
    """Rows in three ways, if the service accepts an unknown query string; else any rows."""
    timed = (one.id for one in run.calls.load_endpoints() if is_timed(run.program, one))
    accepts_query = any(probe.unique for id in timed for probe in run.probes[id])
    return repeat_unique_novel if accepts_query else make_any_row


async def run_load(
    run: CheckRun, name: str, makers: Sequence[RequestMaker], *, rate: float, seconds: float
) -> None:
    """Offer a load of `rate` requests per second, in equal shares of the makers, open loop."""
    count = round(rate * seconds)
    run.watch.phase(f"{name} load, {rate:.0f} requests/s", count)
    requests = mix_calls(makers, count, run.calls.rng)
    gc.disable()  # a pause for garbage collection would be measured as latency of the service
    try:
        run.loads[name] = await offer_load(
            run.client, requests, rate=rate, timeout=run.plan.timeout, on_answer=_show_sample(run)
        )
    finally:
        gc.enable()


async def run_pings(run: CheckRun) -> None:
    """Send requests for the live page at an even rate."""
    run.watch.phase("ping", run.plan.pings)
    request = run.calls.live_call()
    load = await offer_load(
        run.client,
        [request] * run.plan.pings,
        rate=PING_RATE,
        timeout=run.plan.timeout,
        on_answer=_show_sample(run),
    )
    run.samples[request.endpoint] += load.samples


def _show_sample(run: CheckRun) -> OnAnswer:
    """A callback for `offer_load` that shows each sample on the progress display."""
    return lambda request, sample, answer: run.watch.saw(sample)
