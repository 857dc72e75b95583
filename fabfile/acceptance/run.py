"""Run the acceptance check: all phases in order, then the verdicts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import MappingProxyType

from ..engine.secret import Secret
from ..settings.endpoint import Endpoint
from ..settings.service import Service
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
    make_any_row,
    prepare_run,
    reach_service,
    request_makers,
    run_load,
    run_pings,
    steady_row_requests,
    write_rows,
)
from .outcome import CheckOutcome, make_outcome
from .plan import Plan, with_rates
from .rows.cache import cache_row
from .rows.edge import edge_rows
from .rows.hosts import count_requests, host_rows
from .run_state import CheckRun
from .service_rows import count_right_answers, service_rows
from .tls import Secure, unverified_context

UNKNOWN_HTTPS = "no https address is known; give it as --tls"


async def measure_all(
    address: str,
    program: Service,
    plan: Plan,
    watch: Watch,
    *,
    headers: Mapping[str, Secret] = MappingProxyType({}),
    facts: NodeFacts | None = None,
    secure: Secure | None = None,
) -> CheckOutcome:
    """Measure the service, one phase after the other, and judge every requirement but R1 and R2.

    The rows that the check created are deleted at the end, also when it is interrupted.

    Args:
        address: the service over plain http.
        program: the service.
        plan: the size of the run.
        watch: the progress display.
        headers: of every request.
        facts: access to the hosts; without it their requirements are not tried.
        secure: the same service over TLS; without it https and HTTP/3 are not tried.

    Raises:
        Unreachable: nothing answers at the address.
    """
    started, begin = time.time(), time.monotonic()
    edge: EdgeEvidence | None = None
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(open_client(address, headers=headers))
        tls_client = await stack.enter_async_context(_open_tls(secure, headers)) if secure else None
        failed_pings = await reach_service(client, program, watch)
        counted_before = await asyncio.to_thread(count_requests, facts)
        run = await prepare_run(client, program, with_rates(plan, program.load), watch)
        run.samples[run.calls.live_call().endpoint] += failed_pings
        caches = await _measure_service(run, tls_client)
        if secure and tls_client:
            edge = await probe_edge(run, secure, tls_client, facts)
    rows = service_rows(run)
    rows += edge_rows(program.load, edge, why_none=UNKNOWN_HTTPS)
    rows += [cache_row(program, cache, proof=plan.proof) for cache in caches]
    answered = count_right_answers(run)
    rows += await asyncio.to_thread(host_rows, facts, counted_before, answered)
    return make_outcome(
        run,
        rows,
        other_requests=edge.requests if edge else 0,
        started=started,
        seconds=time.monotonic() - begin,
    )


async def _measure_service(run: CheckRun, tls_client: Client | None) -> list[CacheEvidence]:
    """All phases over http, with the cached endpoints in the background."""
    plan = run.plan
    caches = asyncio.create_task(_probe_caches(run, tls_client))
    try:
        await probe_freshness(run)
        await write_rows(run)
        await find_missing_ranges(run)
        steady = request_makers(run, steady_row_requests(run))
        await run_load(run, "steady", steady, rate=plan.steady_rate, seconds=plan.steady)
        peak = request_makers(run, make_any_row)
        await run_load(run, "peak", peak, rate=plan.peak_rate, seconds=plan.peak)
        await run_pings(run)
        if run.program.of_kind("cached"):
            run.watch.phase("the cache, to the end of its pattern", 0)
        return await caches
    finally:
        caches.cancel()
        await clean_up(run.ledgers.values(), run.client)


def _open_tls(secure: Secure, headers: Mapping[str, Secret]) -> AbstractAsyncContextManager[Client]:
    name = secure.server_name if secure.server_name != secure.host else None
    tls = unverified_context()
    return open_client(secure.address, tls=tls, server_name=name, headers=headers)


async def _probe_caches(run: CheckRun, tls_client: Client | None) -> list[CacheEvidence]:
    """Request each cached endpoint in its pattern: over https too, if https answers."""
    clients = [run.client]
    live = run.calls.live_call()
    if tls_client and (await tls_client.ask(live, timeout=REACH_TIMEOUT)).status:
        clients.append(tls_client)
    cached = run.program.of_kind("cached")
    return list(await asyncio.gather(*(_probe_one(run, clients, one) for one in cached)))


async def _probe_one(run: CheckRun, clients: list[Client], endpoint: Endpoint) -> CacheEvidence:
    plan = run.plan
    pattern = Pattern(
        seconds=plan.cache_seconds,
        longest_gap=plan.cache_gap,
        seed=run.calls.rng.randrange(10**6),
        uncached_gap=plan.cache_apart,
    )
    return await probe_cache(clients, run.calls, endpoint, pattern, timeout=plan.timeout)
