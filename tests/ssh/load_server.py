"""Real http servers on loopback for the acceptance: one that behaves as the service does, and a
proxy that caches."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiohttp import ClientSession, web

TOPS = {"movie": 29_019, "customer": 500_000, "session": 5_000_000}
"""Rows as seeded by the binary."""

SMALL = {"movie": 290, "customer": 500, "session": 1000}
"""Rows of data that was scaled down."""

LISTED = 300


@dataclass
class Service:
    """The API over rows 1..top of each kind. `hinder` runs before every answer and may wait or
    give another one."""

    tops: dict[str, int] = field(default_factory=lambda: dict(TOPS))

    hinder: Callable[[web.Request], Any] | None = None
    reply_to_post: Callable[[int], Any] = lambda number: {"id": number}
    tells_time: bool = True
    made: dict[int, tuple[int, int]] = field(default_factory=dict)
    starts: dict[int, str] = field(default_factory=dict)
    numbers: Iterator[int] = field(init=False)
    paths: list[str] = field(default_factory=list)
    busy: int = 0
    busiest: int = 0

    def __post_init__(self) -> None:
        self.numbers = itertools.count(self.tops["session"] + 1)

    def app(self) -> web.Application:
        @web.middleware
        async def through(request: web.Request, handler: Any) -> web.StreamResponse:
            self.paths.append(f"{request.method} {request.path}")
            self.busy += 1
            self.busiest = max(self.busiest, self.busy)
            try:
                other = await self.hinder(request) if self.hinder else None
                return other or await handler(request)
            finally:
                self.busy -= 1

        app = web.Application(middlewares=[through])
        app.router.add_get("/ping", self.ping)
        app.router.add_get("/db_dummy", self.dummy)
        app.router.add_route("*", "/long_dummy", self.long_dummy)
        app.router.add_post("/operation", self.operation)
        app.router.add_get("/api/{kind}", self.whole)
        app.router.add_get("/api/{kind}/{id}", self.single)
        app.router.add_post("/api/session", self.post)
        app.router.add_delete("/api/session/{id}", self.delete)
        return app

    def _json(self, value: dict[str, Any]) -> web.Response:
        return web.json_response({**value, "time": time.time_ns()} if self.tells_time else value)

    async def ping(self, _: web.Request) -> web.Response:
        return web.Response(text="pong\n")

    async def dummy(self, _: web.Request) -> web.Response:
        await asyncio.sleep(0.1)
        return web.Response(text="ok") if not self.tells_time else self._json({})

    async def long_dummy(self, _: web.Request) -> web.Response:
        return web.json_response({"time": time.time_ns()})

    async def operation(self, request: web.Request) -> web.Response:
        number = (await request.json())["operation"]
        assert not number >> 32, "poison"
        return self._json({"result": number})

    async def whole(self, request: web.Request) -> web.Response:
        kind = request.match_info["kind"]
        if kind == "session":
            newest = [
                *sorted(self.made.items(), reverse=True),
                *((n, (n, n)) for n in range(1, LISTED)),
            ]
            return web.json_response(
                [{"id": n, "customer_id": c, "movie": {"id": m}} for n, (c, m) in newest]
            )
        return web.json_response([{"id": n} for n in range(1, LISTED)])

    async def single(self, request: web.Request) -> web.Response:
        kind, number = request.match_info["kind"], int(request.match_info["id"])
        if not 0 < number <= self.tops[kind] and not (kind == "session" and number in self.made):
            raise web.HTTPNotFound
        if number in self.starts:
            customer, movie = self.made[number]
            row = {
                "start_time": self.starts[number],
                "customer": {"id": customer},
                "movie": {"id": movie},
            }
            return self._json({"id": number, **row})
        return self._json({"id": number})

    async def post(self, request: web.Request) -> web.Response:
        asked, number = await request.json(), next(self.numbers)
        self.made[number] = asked["customer_id"], asked["movie_id"]
        self.starts[number] = asked["start_time"]
        return web.json_response(self.reply_to_post(number))

    async def delete(self, request: web.Request) -> web.Response:
        number = int(request.match_info["id"])
        self.starts.pop(number, None)
        if self.made.pop(number, None) is None:
            raise web.HTTPNotFound
        return web.Response(status=204)


class Rule(NamedTuple):
    """Keep answers to what `keeps` picks for `ttl` seconds, and give them as `way` says.

    Ways: `age` adds an Age, `says` an X-Cache: HIT, `replays` gives the old headers again, `nginx`
    writes its own Date.
    """

    keeps: Callable[[web.Request], bool]
    way: str
    ttl: float


@dataclass
class Cache:
    """A proxy that keeps what it must not."""

    upstream: str
    rules: list[Rule]
    kept: dict[str, tuple[float, bytes, dict[str, str]]] = field(default_factory=dict)

    def app(self) -> web.Application:
        app = web.Application()
        app.cleanup_ctx.append(self._session)
        app.router.add_route("*", "/{tail:.*}", self.handle)
        return app

    async def _session(self, app: web.Application) -> Any:
        async with ClientSession() as self.session:
            yield

    async def handle(self, request: web.Request) -> web.Response:
        rule = next((rule for rule in self.rules if rule.keeps(request)), None)
        key, now = f"{request.method} {request.path_qs}", time.monotonic()
        if rule and key in self.kept and now - self.kept[key][0] < rule.ttl:
            since, body, headers = self.kept[key]
            extra = {
                "age": {"Age": str(int(now - since) + 1)},
                "says": {"X-Cache": "HIT from edge"},
            }.get(rule.way, {})
            return web.Response(body=body, headers={**headers, **extra})
        asked = self.session.request(
            request.method, self.upstream + request.path_qs, data=await request.read()
        )
        async with asked as got:
            body = await got.read()
            headers = {
                name: got.headers[name] for name in ("Content-Type", "Date") if name in got.headers
            }
        if rule and rule.way == "nginx":
            headers.pop("Date", None)
        if rule and got.status == 200:
            self.kept[key] = (now, body, headers)
        return web.Response(status=got.status, body=body, headers=headers)


@contextmanager
def serving(*apps: web.Application) -> Iterator[list[str]]:
    """Serve each on a free port of loopback in a thread of its own; gives their addresses."""
    loop, ready, urls = asyncio.new_event_loop(), threading.Event(), list[str]()
    runners: list[web.AppRunner] = []

    async def start() -> None:
        for app in apps:
            runner = web.AppRunner(app, shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            urls.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
            runners.append(runner)
        ready.set()

    async def stop() -> None:
        for runner in runners:
            await runner.cleanup()
        loop.stop()

    loop.create_task(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    assert ready.wait(5)
    try:
        yield urls
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop)
        thread.join(5)
        loop.close()
