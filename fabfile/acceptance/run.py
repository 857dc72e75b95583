"""Run the acceptance check: all phases in order, then the verdicts."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from ..settings.requirements import PING
from ..traffic.calls import any_row, ping_call
from ..traffic.clean_up import clean_up
from ..traffic.client import Client, open_client
from ..traffic.sample import Watch
from .cache_probe import CacheEvidence, Pattern, probe_cache
from .edge_probe import EdgeEvidence, probe_edge
from .freshness_probe import probe_freshness
from .host_facts import NodeFacts
from .load_phases import (
    REACH_TIMEOUT,
    find_missing_ranges,
    prepare_run,
    reach_service,
    request_makers,
    run_load,
    run_pings,
    steady_row_requests,
    write_sessions,
)
from .outcome import CheckOutcome, make_outcome
from .plan import Plan
from .rows.cache import cache_row
from .rows.edge import edge_rows
from .rows.hosts import count_requests, host_rows
from .run_state import CheckRun
from .service_rows import count_right_answers, service_rows
from .tls import Secure, unverified_context

UNKNOWN_HTTPS = "no https address is known; give it as --tls"


async def measure_all(
    address: str,
    plan: Plan,
    watch: Watch,
    *,
    facts: NodeFacts | None = None,
    secure: Secure | None = None,
) -> CheckOutcome:
    """Measure the service, one phase after the other, and judge every requirement but R1 and R2.

    The sessions that the check created are deleted at the end, also when it is interrupted.

    Args:
        address: the service over plain http.
        plan: the size of the run.
        watch: the progress display.
        facts: access to the hosts; without it their requirements are not tried.
        secure: the same service over TLS; without it https and HTTP/3 are not tried.

    Raises:
        Unreachable: nothing answers at the address.
    """
    started, begin = time.time(), time.monotonic()
    edge: EdgeEvidence | None = None
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(open_client(address))
        tls_client = await stack.enter_async_context(_open_tls(secure)) if secure else None
        failed_pings = await reach_service(client, watch)
        counted_before = await asyncio.to_thread(count_requests, facts)
        run = await prepare_run(client, plan, watch)
        run.samples[PING.id] += failed_pings
        cache = await _measure_service(run, tls_client)
        if secure and tls_client:
            edge = await probe_edge(run, secure, tls_client, facts)
    rows = service_rows(run)
    rows += edge_rows(edge, why_none=UNKNOWN_HTTPS)
    rows.append(cache_row(cache, proof=plan.proof))
    answered = count_right_answers(run)
    rows += await asyncio.to_thread(host_rows, facts, counted_before, answered)
    return make_outcome(
        run,
        rows,
        other_requests=edge.requests if edge else 0,
        started=started,
        seconds=time.monotonic() - begin,
    )


async def _measure_service(run: CheckRun, tls_client: Client | None) -> CacheEvidence:
    """All phases over http, with the cached endpoint in the background."""
    plan = run.plan
    cache = asyncio.create_task(_probe_cache(run, tls_client))
    try:
        await probe_freshness(run)
        await write_sessions(run)
        await find_missing_ranges(run)
        steady = request_makers(run, steady_row_requests(run))
        await run_load(run, "steady", steady, rate=plan.steady_rate, seconds=plan.steady)
        peak = request_makers(run, any_row)
        await run_load(run, "peak", peak, rate=plan.peak_rate, seconds=plan.peak)
        await run_pings(run)
        run.watch.phase("the cache, to the end of its pattern", 0)
        return await cache
    finally:
        cache.cancel()
        await clean_up(run.own_rows, run.client)


def _open_tls(secure: Secure) -> AbstractAsyncContextManager[Client]:
    name = secure.server_name if secure.server_name != secure.host else None
    return open_client(secure.address, tls=unverified_context(), server_name=name)


async def _probe_cache(run: CheckRun, tls_client: Client | None) -> CacheEvidence:
    """Request the cached endpoint in its pattern (R16): over https too, if https answers."""
    clients = [run.client]
    if tls_client and (await tls_client.ask(ping_call(), timeout=REACH_TIMEOUT)).status:
        clients.append(tls_client)
    plan = run.plan
    pattern = Pattern(
        seconds=plan.cache_seconds,
        longest_gap=plan.cache_gap,
        seed=run.rng.randrange(10**6),
        uncached_gap=plan.cache_apart,
    )
    return await probe_cache(clients, pattern, timeout=plan.timeout)
