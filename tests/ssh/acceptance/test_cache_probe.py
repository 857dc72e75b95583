"""R16 against real servers: the cache as it should be, and every way in which it may be wrong."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from load_server import serving
from msgspec.structs import replace as alter
from samples import PROGRAM, calls_of, endpoint_of

from fabfile.acceptance.cache_probe import CacheEvidence, Pattern, probe_cache
from fabfile.acceptance.row import Row, Verdict
from fabfile.acceptance.rows.cache import cache_row
from fabfile.traffic.client import open_client

CACHED = endpoint_of("long_dummy")
PATH = CACHED.path
SMALL = alter(CACHED, cache=alter(CACHED.cache, max_age=1, within_seconds=0.2))
"""The cached endpoint with smaller bounds."""


@dataclass
class Front:
    """An app behind a cache that keeps an answer for `keep` seconds; the app `takes` some. `key`
    is what it tells questions apart by."""

    keep: float
    takes: float = 0.12
    key: Callable[[web.Request], Any] = lambda request: (
        request.method == "POST" and object(),
        request.path_qs,
    )
    body: Callable[[int], dict[str, Any]] = lambda number: {"time": time.time_ns()}
    kept: dict[Any, tuple[float, dict[str, Any]]] = field(default_factory=dict)
    asked: int = 0

    def app(self) -> web.Application:
        app, self.numbers = web.Application(), itertools.count()
        self.locks: defaultdict[Any, asyncio.Lock] = defaultdict(asyncio.Lock)
        app.router.add_route("*", PATH, self.answer)
        app.router.add_get("/ping", self.ping)
        return app

    async def ping(self, _: web.Request) -> web.Response:
        return web.Response(text="pong")

    async def answer(self, request: web.Request) -> web.Response:
        key = self.key(request)
        async with (
            self.locks[key] if self.keep else contextlib.nullcontext()
        ):  # as nginx's proxy_cache_lock
            at, body = self.kept.get(key, (-math.inf, {}))
            if time.monotonic() - at >= self.keep:
                self.asked += 1
                await asyncio.sleep(self.takes)
                body = self.body(next(self.numbers))
                self.kept[key] = time.monotonic(), body
        return web.json_response(body)


@pytest.fixture
def row() -> Callable[..., Row]:
    """What the row says of a front after some seconds, with smaller bounds."""

    async def watch(url: str, seconds: float, longest: float) -> CacheEvidence:
        async with open_client(url) as wire:
            pattern = Pattern(seconds=seconds, longest_gap=longest, seed=1, uncached_gap=0.05)
            return await probe_cache([wire], calls_of(), SMALL, pattern, timeout=5)

    def see(front: Front, seconds: float = 2, longest: float = 0.4) -> Row:
        with serving(front.app()) as (url,):
            return cache_row(PROGRAM, asyncio.run(watch(url, seconds, longest)), proof=False)

    return see


def test_a_cache_as_it_should_be(row: Callable[..., Row]) -> None:
    front = Front(keep=0.6)
    seen = row(front)
    assert (seen.verdict, seen.why) == (Verdict.HELD, "")
    assert seen.more["oldest_s"] > 0.2  # the row itself holds the upper bound
    assert front.asked < seen.figures.n


def test_no_cache_fails(row: Callable[..., Row]) -> None:
    seen = row(Front(keep=0, takes=0.3), seconds=1)
    assert seen.verdict is Verdict.FAILED
    assert "does the edge cache this answer at all?" in seen.why


def test_an_answer_kept_too_long_fails_by_the_time_in_it(row: Callable[..., Row]) -> None:
    seen = row(Front(keep=60))
    assert seen.verdict is Verdict.FAILED
    assert "s old (by the time in the body and when each body was first seen)" in seen.why


def test_one_kept_since_before_the_run_fails_at_once(row: Callable[..., Row]) -> None:
    front = Front(keep=1000)
    front.kept[(False, PATH)] = time.monotonic(), {"time": time.time_ns() - 65 * 10**9}
    seen = row(front, seconds=0.5)
    assert seen.verdict is Verdict.FAILED
    assert seen.more["oldest_s"] > 65


def test_an_answer_without_a_time_fails_by_coming_again(row: Callable[..., Row]) -> None:
    seen = row(Front(keep=60, body=lambda number: {"id": number}))
    assert seen.verdict is Verdict.FAILED
    assert "s old (by when each body was first seen)" in seen.why


def test_a_cache_that_minds_no_query_fails(row: Callable[..., Row]) -> None:
    seen = row(
        Front(keep=60, key=lambda request: (request.method == "POST" and object(), request.path))
    )
    assert seen.verdict is Verdict.FAILED
    assert "s old (by the time in the body" in seen.why


def test_a_cache_that_minds_no_method_fails(row: Callable[..., Row]) -> None:
    seen = row(Front(keep=0.6, key=lambda request: request.path))
    assert seen.verdict is Verdict.FAILED
    assert f"POST {PATH} is answered from the cache: the same body was seen before" in seen.why


def test_an_app_that_always_says_the_same_cannot_be_judged(row: Callable[..., Row]) -> None:
    seen = row(Front(keep=60, body=lambda number: {"result": "ok"}), seconds=1)
    assert seen.verdict is Verdict.UNPROVEN
    assert "do not show how old they are" in seen.why


def test_errors_fail(row: Callable[..., Row]) -> None:
    def broken(number: int) -> dict[str, Any]:
        raise web.HTTPBadGateway

    seen = row(Front(keep=1, body=broken), seconds=0.5)
    assert seen.verdict is Verdict.FAILED
    assert "(status 502 ×" in seen.why
