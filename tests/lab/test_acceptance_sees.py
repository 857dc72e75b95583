"""The acceptance fails when it must, on a real service, and names the row: an index lost, a node stopped, a cache in between."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import ClientSession, web
from deployed import Deployed, wait_until_up
from labtools import Outcome, Runner, Ssh


def rows(outcome: Outcome) -> dict[str, dict[str, Any]]:
    """The rows of its JSON by id; the peak's for R3, which has two."""
    report = json.loads(outcome.out)
    assert report["ok"] == (outcome.code == 0)
    return {row["id"]: row for row in reversed(report["rows"])}


def test_a_lost_index_is_named(healed: Deployed, run_fab: Runner, ssh: Ssh) -> None:
    wait_until_up(ssh)
    ssh("db1", "runuser -u postgres -- psql -qd bingo -c 'DROP INDEX sessions_id'")
    outcome = run_fab("check", "--quick", "--json", "-")
    assert outcome.code == 1
    found = rows(outcome)["R18"]
    assert found["verdict"] == "failed"
    assert "sessions_id" in found["why"]
    assert "inv db.indexes" in found["next"]


def test_a_stopped_node_is_missed_at_peak(healed: Deployed, run_fab: Runner, ssh: Ssh) -> None:
    """One instance takes 100 requests a second, and 120 come."""
    wait_until_up(ssh)
    ssh("node2", "systemctl stop bingo")
    outcome = run_fab("check", "--quick", "--json", "-")
    assert outcome.code == 1
    peak = rows(outcome)["R3"]
    assert peak["name"].startswith("peak, 120/s")
    assert peak["verdict"] == "failed"
    assert re.search(r"of 120 requests/s were carried|of \d+ failed", peak["why"])
    assert "are all nodes serving?" in peak["next"]


class CachingProxy:
    """In front of the service; keeps films for a few seconds, by their URL."""

    KEEP = 3.0  # seconds

    def __init__(self, behind: str) -> None:
        self.behind, self.kept, self.hits = behind, dict[str, tuple[float, int, bytes]](), 0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _serve(self) -> None:
        self._loop.run_until_complete(self._listen())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._session.close())
        self._loop.run_until_complete(self._runner.cleanup())

    async def _listen(self) -> None:
        self._session = ClientSession()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _answer(self, request: web.Request) -> web.Response:
        film = request.method == "GET" and re.fullmatch(r"/api/movie/\d+", request.path)
        at, status, body = self.kept.get(request.path_qs, (0.0, 0, b""))
        if film and time.monotonic() - at < self.KEEP:
            self.hits += 1
            return web.Response(status=status, body=body)
        asked = await request.read()
        async with self._session.request(request.method, self.behind + request.path_qs, data=asked) as answer:
            status, body = answer.status, await answer.read()
        if film:
            self.kept[request.path_qs] = (time.monotonic(), status, body)
        return web.Response(status=status, body=body)


@pytest.fixture
def proxy(deployed: Deployed) -> Iterator[CachingProxy]:
    proxy = CachingProxy(deployed.url)
    proxy.start()
    yield proxy
    proxy.stop()


def test_a_cache_in_between_is_found(deployed: Deployed, proxy: CachingProxy, run_fab: Runner, ssh: Ssh) -> None:
    wait_until_up(ssh)
    outcome = run_fab("check", "--quick", "--json", "-", "--address", f"http://127.0.0.1:{proxy.port}")
    assert proxy.hits > 0
    assert outcome.code == 1
    found = rows(outcome)
    assert found["R6"]["verdict"] == "failed"
    assert "it is cached" in found["R6"]["why"]
    assert "look for a cache" in found["R6"]["next"]
