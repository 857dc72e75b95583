"""The open-loop generator against real servers on loopback that stall, refuse, hang up or are
slow."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Iterable
from itertools import count, repeat
from typing import Any

import pytest
from aiohttp import web
from load_server import TOPS, Cache, Rule, Service, serving
from samples import calls_of, endpoint_of

from fabfile.acceptance.freshness import Fresh
from fabfile.acceptance.freshness_timing import judge_timing, repeat_unique_novel
from fabfile.traffic.client import CONNECTIONS, Request, open_client
from fabfile.traffic.load import Load, mix_calls, offer_load
from fabfile.traffic.stats import percentile_of

CALLS = calls_of()
PING = CALLS.live_call()


def load(url: str, calls: Iterable[Request], *, rate: float, timeout: float = 5) -> Load:
    async def run() -> Load:
        async with open_client(url) as wire:
            return await offer_load(wire, calls, rate=rate, timeout=timeout)

    return asyncio.run(run())


def test_a_stall_is_felt_by_all_who_would_have_come_during_it() -> None:
    number, until, held = count(), [0.0], list[float]()

    async def stall(_: web.Request) -> None:
        if next(number) == 60:
            until[0] = time.monotonic() + 1
        held.append(max(0.0, until[0] - time.monotonic()))
        await asyncio.sleep(held[-1])

    with serving(Service(hinder=stall).app()) as (url,):
        done = load(url, repeat(PING, 210), rate=120)
    felt = sorted(s.latency for s in done.samples)
    assert all(s.ok for s in done.samples)
    # Of a second in which 120 come, the 72 of its first 600 ms wait 400 ms or more; a closed loop
    # would have seen one.
    waited = sum(latency >= 0.4 for latency in felt)
    assert waited >= 72 - 12
    # And nobody else did, but for those whom this machine itself kept waiting.
    late = sum(s.lag > 0.02 for s in done.samples)
    assert waited <= sum(seconds >= 0.4 for seconds in held) + late + 12
    assert percentile_of(felt, 0.99) > 0.9
    assert max(s.sent - s.intended for s in done.samples) < 0.3, (
        "the stall must not have kept requests from leaving"
    )


def test_the_rate_is_kept_and_the_connections_are_bounded() -> None:
    service = Service(hinder=lambda _: asyncio.sleep(1.2))
    with serving(service.app()) as (url,):
        done = load(url, repeat(PING, 450), rate=1000)
    assert service.busiest == CONNECTIONS
    assert len(done.samples) == 450
    waited = [s for s in done.samples if s.sent - s.woke > 0.1]
    # Some more when this machine is busy: a connection is free again only when its task has run.
    assert 50 <= len(waited) <= 60
    assert all(s.latency > 1.2 for s in waited), "waiting for a connection counts"


def test_own_lateness_is_told_apart() -> None:
    async def run(url: str) -> Load:
        async with open_client(url) as wire:
            asyncio.get_running_loop().call_later(0.2, time.sleep, 0.2)
            return await offer_load(wire, repeat(PING, 40), rate=100, timeout=5)

    with serving(Service().app()) as (url,):
        late = asyncio.run(run(url))
        assert late.lag_p99 > 0.1
        assert late.doubtful
        assert not load(url, repeat(PING, 30), rate=100).doubtful


@pytest.mark.parametrize(
    ("answer", "kind", "status"),
    [
        (lambda: web.Response(status=503), "status 503", 503),
        (lambda: web.Response(status=302, headers={"Location": "/"}), "status 302", 302),
        (lambda: web.Response(text="pong?"), "answers something else", 200),
        (lambda: web.Response(), "empty answer", 200),
        (lambda: asyncio.sleep(1), "timed out", 0),
    ],
)
def test_kinds_of_errors(answer: Any, kind: str, status: int) -> None:
    async def hinder(_: web.Request) -> Any:
        made = answer()
        return await made if asyncio.iscoroutine(made) else made

    with serving(Service(hinder=hinder).app()) as (url,):
        done = load(url, [PING], rate=1, timeout=0.2)
    assert [(s.error, s.status) for s in done.samples] == [(kind, status)]


def test_a_connection_closed_without_an_answer_is_an_error_and_is_not_asked_again() -> None:
    number = count()

    async def hang_up(request: web.Request) -> None:
        if next(number) == 1:
            assert request.transport is not None
            request.transport.abort()

    service = Service(hinder=hang_up)
    with serving(service.app()) as (url,):
        done = load(url, repeat(PING, 3), rate=20)
    assert sorted(s.error for s in done.samples) in (
        ["", "", "closed without an answer"],
        ["", "", "connection reset"],
    )
    assert len(service.paths) == 3


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    done = load(f"127.0.0.1:{port}", [PING], rate=1)
    assert [s.error for s in done.samples] == ["connection refused"]


def test_shares_are_equal_and_in_no_step() -> None:
    makers = [
        *(CALLS.maker_of(endpoint_of(name)) for name in ("operation", "db_dummy")),
        CALLS.live_call,
    ]
    calls = list(mix_calls(makers, 300, random.Random(1)))
    endpoints = [call.endpoint for call in calls]
    assert {endpoint: endpoints.count(endpoint) for endpoint in endpoints} == {
        "R4": 100,
        "R5": 100,
        "R19": 100,
    }
    assert endpoints[:30] != (endpoints[:3] * 10)


def test_a_silent_cache_of_rows_that_tell_no_time_is_seen_by_its_speed() -> None:
    """Every trace in the answers is gone: the Date is the proxy's, the body the same for ever."""
    service = Service(hinder=lambda _: asyncio.sleep(0.008), tells_time=False)
    with serving(service.app()) as (origin,):
        cache = Cache(
            origin, [Rule(lambda request: request.path.startswith("/api/movie/"), "nginx", 1)]
        )
        with serving(cache.app()) as (url,):
            for address, state in ((origin, Fresh.PROVEN), (url, Fresh.CACHED)):
                make = repeat_unique_novel(calls_of(), endpoint_of("movie"))
                done = load(address, (make() for _ in range(90)), rate=90)
                found = judge_timing(done.samples, TOPS["movie"])
                assert found is not None
                assert found.state is state, found.because
