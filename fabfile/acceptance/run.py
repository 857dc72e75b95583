"""One acceptance run, phase by phase, and its verdicts."""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..engine.errors import RunbookError, Unreachable
from ..traffic.calls import (
    SINGLE,
    Range,
    any_row,
    dummy_call,
    find_range,
    operation_call,
    ping_call,
)
from ..traffic.clean_up import clean_up
from ..traffic.client import Client, Request, Response, open_client
from ..traffic.load import OnAnswer, mix_calls, offer_load
from ..traffic.own_rows import OwnRows
from ..traffic.sample import Sample, Watch
from ..traffic.timeline import LoadPhase, phase_of
from .arms import in_three_ways
from .cache_probe import CacheSeen, Pattern, watch_cache
from .edge_probe import look_at_edge
from .freshness_probe import ask_in_turns
from .host_facts import NodeFacts
from .plan import Plan
from .row import Row, Verdict
from .rows.drills import drill_rows
from .rows.edge import cache_row, edge_rows
from .rows.hosts import counted_requests, node_rows
from .run_state import CheckRun
from .service_rows import right_answers, service_rows
from .tls import Secure, unverified_context

if TYPE_CHECKING:
    from ..drills.result import DrillResult

UNKNOWN_HTTPS = "no https address is known; give it as --tls"
REACH_TRIES, REACH_TIMEOUT = 3, 3.0


@dataclass(frozen=True)
class CheckOutcome:
    """What a run has found. `lag` and `cpu` are this machine's own: seconds late (p99), share of
    one core."""

    address: str
    plan: Plan
    started: float
    seconds: float
    rows: list[Row]
    ranges: dict[str, Range]
    requests: int
    lag: float
    cpu: float
    doubtful: bool
    left: list[int]
    lost: int
    phases: Sequence[LoadPhase] = ()
    drills: Sequence[DrillResult] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing failed and nothing that should be proven is not."""
        return all(row.verdict in (Verdict.HELD, Verdict.NOT_TRIED) for row in self.rows)


async def measure_all(
    address: str,
    plan: Plan,
    watch: Watch,
    facts: NodeFacts | None = None,
    secure: Secure | None = None,
) -> CheckOutcome:
    """Ask the service everything, one phase after the other; delete what was made, also when
    interrupted.

    Raises:
        Unreachable: nothing answers at the address.
    """
    started, begin = time.time(), time.monotonic()
    async with AsyncExitStack() as stack:
        wire = await stack.enter_async_context(open_client(address))
        over = await stack.enter_async_context(_over_tls(secure)) if secure else None
        silent = await reach_service(wire, watch)
        before = await asyncio.to_thread(counted_requests, facts)
        run = await prepare_run(wire, plan, watch)
        run.samples["R19"] += silent
        cache = asyncio.create_task(_watch_cache(run, over))
        try:
            await ask_in_turns(run)
            await write_sessions(run)
            await find_again(run)
            await load_phase(
                run, "steady", plan.steady_rate, plan.steady, call_makers(run, _steady_maker(run))
            )
            await load_phase(run, "peak", plan.peak_rate, plan.peak, call_makers(run, any_row))
            await ping_phase(run)
            watch.phase("the cache, to the end of its pattern", 0)
            cached = await cache
        finally:
            cache.cancel()
            await clean_up(run.ledger, wire)
        edge = await look_at_edge(run, secure, over, facts) if secure and over else None
    rows = (
        service_rows(run) + edge_rows(edge, UNKNOWN_HTTPS) + [cache_row(cached, proof=plan.proof)]
    )
    rows += await asyncio.to_thread(node_rows, facts, before, right_answers(run))
    rows.sort(key=_requirement_number)
    return summed_up(run, rows, edge.requests if edge else 0, started, time.monotonic() - begin)


def with_drills(
    outcome: CheckOutcome,
    drills: Sequence[DrillResult],
    why: str,
    error: RunbookError | None = None,
) -> CheckOutcome:
    """The outcome with R1 and R2, as `drill_rows` says them."""
    rows = sorted([*drill_rows(drills, why, error), *outcome.rows], key=_requirement_number)
    asked = outcome.requests + sum(drill.requests for drill in drills)
    seconds = outcome.seconds + sum(drill.seconds for drill in drills)
    return replace(outcome, rows=rows, drills=drills, requests=asked, seconds=seconds)


def _requirement_number(row: Row) -> int:
    return int(row.id[1:])


def _over_tls(secure: Secure) -> AbstractAsyncContextManager[Client]:
    called = secure.called if secure.called != secure.host else None
    return open_client(secure.address, tls=unverified_context(), server_name=called)


async def _watch_cache(run: CheckRun, over: Client | None) -> CacheSeen:
    """R16 in the background: over https too, if that answers."""
    wires = [run.wire]
    if over and (await over.ask(ping_call(), timeout=REACH_TIMEOUT)).status:
        wires.append(over)
    plan = run.plan
    pattern = Pattern(
        plan.cache_seconds, plan.cache_gap, run.rng.randrange(10**6), plan.cache_apart
    )
    return await watch_cache(wires, pattern, plan.timeout)


async def prepare_run(wire: Client, plan: Plan, watch: Watch) -> CheckRun:
    """A run with the ids that exist; each question is judged as those of the loads are."""
    watch.phase("which ids exist", 0)
    alone: list[Sample] = []
    found = await asyncio.gather(*(find_range(wire, endpoint, alone.append) for endpoint in SINGLE))
    ranges, rng = dict(zip(SINGLE, found, strict=True)), random.Random()
    run = CheckRun(
        wire, plan, watch, rng, ranges, OwnRows(ranges["R8"], ranges["R7"], ranges["R6"], rng)
    )
    for endpoint in (endpoint for endpoint in SINGLE if not ranges[endpoint].known):
        run.problems[endpoint].append(ranges[endpoint].why)
    if not ranges["R8"].known:
        for endpoint in ("R12", "R13"):
            run.problems[endpoint].append(f"no session was made: {ranges['R8'].why}")
    for sample in alone:
        run.keep_alone(sample)
    return run


async def find_again(run: CheckRun) -> None:
    """Look once more for ids that an outage hid, so that the loads ask for rows that exist.
    Their rows fail all the same."""
    for endpoint in (endpoint for endpoint in SINGLE if not run.ranges[endpoint].known):
        found = await find_range(run.wire, endpoint, run.keep_alone)
        run.ranges[endpoint] = found if found.known else run.ranges[endpoint]


def summed_up(
    run: CheckRun, rows: list[Row], others: int, started: float, seconds: float
) -> CheckOutcome:
    """The outcome of a run that is over, with `others` requests besides the run's; `started` in
    seconds since 1970."""
    loads, kept = run.loads.values(), sum(map(len, run.samples.values())) + others
    return CheckOutcome(
        run.wire.base,
        run.plan,
        started,
        seconds,
        rows,
        run.ranges,
        kept + sum(len(load.samples) for load in loads),
        max(load.lag_p99 for load in loads),
        max(load.cpu_share for load in loads),
        any(load.doubtful for load in loads),
        sorted(run.ledger.open),
        run.ledger.lost,
        [phase_of(name, load) for name, load in run.loads.items()],
    )


async def reach_service(wire: Client, watch: Watch) -> list[Sample]:
    """Whether anything speaks http there; what it says is judged later. The tries that got no
    answer, for R19.

    Raises:
        Unreachable: nothing does, three times.
    """
    watch.phase("is anything there", 0)
    silent: list[Sample] = []
    for last in range(REACH_TRIES):
        answer = await wire.ask(ping_call(), timeout=REACH_TIMEOUT)
        if answer.status:
            return silent
        silent.append(
            Sample("R19", answer.sent, answer.sent, answer.sent, answer.done, 0, answer.error)
        )
        if last + 1 < REACH_TRIES:
            await asyncio.sleep(0.3)
    raise Unreachable(
        f"{wire.base} does not answer: {answer.error}.",
        "The acceptance asks the service over the network, as its users do; nothing was measured.",
        "fab status",
    )


async def write_sessions(run: CheckRun) -> None:
    """R12 and R13: make sessions at an even rate, then delete them; none if their ids would not
    be known."""
    plan, ledger, made = run.plan, run.ledger, list[int]()
    if ledger.refusal:
        return
    run.watch.phase("sessions made and deleted", 2 * plan.writes)

    def seen(call: Request, sample: Sample, answer: Response) -> None:
        run.samples[call.endpoint].append(sample)
        run.watch.saw(sample)
        if call.endpoint == "R13":
            ledger.deleted(int(call.path.rpartition("/")[2]), answer)
        elif (number := ledger.posted(call, answer)) is not None:
            made.append(number)

    posts = (ledger.post() for _ in range(plan.writes))
    await offer_load(run.wire, posts, rate=plan.write_rate, timeout=plan.timeout, on_answer=seen)
    deletes = [ledger.delete(number) for number in made]
    await offer_load(run.wire, deletes, rate=plan.write_rate, timeout=plan.timeout, on_answer=seen)


Maker = Callable[[], Request]


def call_makers(run: CheckRun, row: Callable[[str, Range, random.Random], Maker]) -> list[Maker]:
    """One maker of random requests for each of R4-R8; `row` makes those of R6-R8."""
    rows = (row(endpoint, run.ranges[endpoint], run.rng) for endpoint in SINGLE)
    return [lambda: operation_call(run.rng.randrange(1000)), dummy_call, *rows]


def _steady_maker(run: CheckRun) -> Callable[[str, Range, random.Random], Maker]:
    """Three ways of asking, if the service minds no query string."""
    heeds = any(look.unique for endpoint in SINGLE for look in run.looks[endpoint])
    return in_three_ways if heeds else any_row


async def load_phase(
    run: CheckRun, name: str, rate: float, seconds: float, of: Sequence[Maker]
) -> None:
    """R3-R8 in equal shares, open loop. The collector of garbage sleeps meanwhile: its pauses
    would be ours, not theirs."""
    count = round(rate * seconds)
    run.watch.phase(f"{name} load, {rate:.0f} requests/s", count)
    calls = mix_calls(of, count, run.rng)
    gc.disable()
    try:
        run.loads[name] = await offer_load(
            run.wire, calls, rate=rate, timeout=run.plan.timeout, on_answer=_watched_phase(run)
        )
    finally:
        gc.enable()


async def ping_phase(run: CheckRun) -> None:
    """R19, twenty a second."""
    run.watch.phase("ping", run.plan.pings)
    calls = (ping_call() for _ in range(run.plan.pings))
    done = await offer_load(
        run.wire, calls, rate=20, timeout=run.plan.timeout, on_answer=_watched_phase(run)
    )
    run.samples["R19"] += done.samples


def _watched_phase(run: CheckRun) -> OnAnswer:
    return lambda call, sample, answer: run.watch.saw(sample)
