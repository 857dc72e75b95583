"""The acceptance fails when it must, on a real service, and names the row: an index lost, a node
stopped, a cache in between."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from deployed import HOSTS, Deployed, until, wait_until_up
from labtools import Outcome, Runner, Ssh


def rows(outcome: Outcome) -> dict[str, dict[str, Any]]:
    """The rows of its JSON by id; the peak's for R3, which has two."""
    report = json.loads(outcome.out)
    assert report["ok"] == (outcome.code == 0)
    return {row["id"]: row for row in reversed(report["rows"])}


def test_a_lost_index_is_named_and_all_else_is_there(
    healed: Deployed, run_fab: Runner, ssh: Ssh, tmp_path: Path
) -> None:
    wait_until_up(ssh)
    ssh("db1", "runuser -u postgres -- psql -qd bingo -c 'DROP INDEX sessions_id'")
    outcome = run_fab("check", "--quick", "--json", "-", "--report", str(tmp_path / "page"))
    assert outcome.code == 1
    found = rows(outcome)
    assert list(found) == [f"R{number}" for number in range(22, 0, -1)]
    assert found["R18"]["verdict"] == "failed"
    assert "sessions_id" in found["R18"]["why"]
    assert "inv db.indexes" in found["R18"]["next"]
    assert (found["R17"]["verdict"], found["R21"]["verdict"]) == ("held", "held")
    assert set(found["R21"]["more"]) == set(HOSTS)
    assert "fab check without --quick" in found["R1"]["why"]
    page = json.loads((tmp_path / "page" / "report.json").read_text())
    assert {"schema": 2, **page["check"]} == json.loads(outcome.out)
    assert [(phase["name"], len(phase["timeline"])) for phase in page["check"]["phases"]] == [
        ("steady", 5),
        ("peak", 13),
    ]
    assert "sessions_id" in (tmp_path / "page" / "index.html").read_text()


BLIND = (
    "nft add table inet blind; nft 'add chain inet blind out { type filter hook output priority 0;"
    " }'\n"
)
BLIND += "nft add rule inet blind out tcp dport 8404 reject"


def test_a_stopped_node_is_missed_at_peak_and_an_edge_without_figures_by_name(
    healed: Deployed, run_fab: Runner, ssh: Ssh
) -> None:
    """One instance takes 100 requests a second, and 120 come."""
    wait_until_up(ssh)
    ssh("node2", "systemctl stop bingo")
    ssh("edge2", BLIND)
    try:
        outcome = run_fab("check", "--quick", "--json", "-")
    finally:
        ssh("edge2", "nft delete table inet blind")
    assert outcome.code == 1
    seen = rows(outcome)["R17"]
    assert seen["verdict"] == "failed"
    assert "does not answer on port 8404 of the loopback of edge2" in seen["why"]
    assert seen["next"] == "fab -H edge2 plan"
    peak = rows(outcome)["R3"]
    assert peak["name"].startswith("peak, 120/s")
    assert peak["verdict"] == "failed"
    assert re.search(r"of 120 requests/s were carried|of \d+ failed", peak["why"])
    assert "are all nodes serving?" in peak["next"]


LOCK = "BEGIN; LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(45)"


def test_a_table_locked_while_the_check_prepares_is_an_outage(
    deployed: Deployed, run_fab: Runner, ssh: Ssh
) -> None:
    """The lock is gone before the run could end, if the run waited for it."""
    ssh("db1", f"systemd-run -q --unit=lock runuser -u postgres -- psql -qd bingo -c '{LOCK}'")
    locked = (
        "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation ="
        " 'sessions'::regclass"
    )
    psql = "runuser -u postgres -- psql -qAtd bingo -c"
    until(lambda: ssh("db1", f'{psql} "{locked}"').out.strip() == "1", "the lock")
    last = int(ssh("db1", f"{psql} 'SELECT last_value FROM sessions_id_seq'").out)
    try:
        outcome = run_fab("check", "--quick", "--json", "-")
    finally:
        ssh("db1", "systemctl stop lock", check=False)  # it may have ended by itself
    assert outcome.code == 1
    found = rows(outcome)
    assert [found[id]["verdict"] for id in ("R8", "R12", "R13")] == ["failed"] * 3
    assert (
        "GET /api/session/5000000 gave no right answer within 3 s (timed out)" in found["R8"]["why"]
    )
    assert "no row was created" in found["R12"]["why"]
    # By their ids: an insert that is refused leaves a gap, so counts say nothing.
    left = ssh("db1", f"{psql} 'SELECT count(*) FROM sessions WHERE id > {last}'").out.strip()
    assert left == "0", "rows of the check were left behind"


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
        async with self._session.request(
            request.method, self.behind + request.path_qs, data=asked
        ) as answer:
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


def test_a_cache_in_between_is_found(
    deployed: Deployed, proxy: CachingProxy, run_fab: Runner, ssh: Ssh
) -> None:
    wait_until_up(ssh)
    outcome = run_fab(
        "check", "--quick", "--json", "-", "--address", f"http://127.0.0.1:{proxy.port}"
    )
    assert proxy.hits > 0
    assert outcome.code == 1
    found = rows(outcome)
    assert found["R6"]["verdict"] == "failed"
    assert "it is cached" in found["R6"]["why"]
    assert "search for a cache" in found["R6"]["next"]
