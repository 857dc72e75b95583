"""An outage that is over when the load begins, and sessions whose creation nobody answered: real
servers on loopback."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from load_server import SMALL, Service, serving
from samples import PROGRAM
from test_load_acceptance import TINY, Onlooker

from fabfile.acceptance.outcome import CheckOutcome
from fabfile.acceptance.row import Row, Verdict
from fabfile.acceptance.run import measure_all

PLAN = replace(TINY, rounds=2, pings=1, cache_seconds=0.1)
ONE_BY_ONE = "which rows exist is unknown: GET /api/session/5000000 gave no right answer within 3 s"


def rows_that_failed(outcome: CheckOutcome) -> dict[str, Row]:
    return {row.id: row for row in reversed(outcome.rows) if row.verdict is Verdict.FAILED}


def run(service: Service, act: Callable[[Onlooker], None] = lambda _: None) -> CheckOutcome:
    with serving(service.app()) as (url,):
        return asyncio.run(measure_all(url, PROGRAM, PLAN, Onlooker(act)))


class Locked(Service):
    """One kind of path hangs for `seconds` from the first request of it on, as those of a locked
    table do."""

    def __init__(self, path: str, seconds: float) -> None:
        super().__init__(tops=dict(SMALL))
        self.path, self.seconds, self.end = path, seconds, 0.0
        self.hinder = self.hang

    async def hang(self, request: web.Request) -> None:
        if request.path.startswith(self.path):
            self.end = self.end or time.monotonic() + self.seconds
            await asyncio.sleep(max(0.0, self.end - time.monotonic()))


def test_a_lock_that_is_gone_before_the_load_fails_what_it_kept_from_being_asked() -> None:
    """It lasts longer than one question is asked, and shorter than the run would once have
    waited."""
    service = Locked("/api/session", 5.0)
    outcome = run(service)
    failed = rows_that_failed(outcome)
    assert {"R8", "R12", "R13"} <= set(failed)
    assert not {"R4", "R5", "R6", "R7", "R9", "R10", "R19"} & set(failed), "these were not locked"
    assert f"{ONE_BY_ONE} (timed out)" in failed["R8"].why
    assert failed["R12"].why.startswith(f"no row was created: {ONE_BY_ONE}")
    assert failed["R13"].next == "fab status"
    assert failed["R8"].figures.errors == 0, (
        "once it answers again, the load asks for rows that exist"
    )
    assert not [path for path in service.paths if path.startswith("POST /api/session")]
    assert (outcome.rows_left, outcome.rows_perhaps_left, service.made) == ([], 0, {})
    assert outcome.seconds < 25, "an outage is not waited out"


def test_a_row_locked_while_rows_are_asked_one_by_one_fails_too() -> None:
    """The preparation was well; the load will be."""
    service = Service(tops=dict(SMALL))
    ended: list[float] = []

    async def hang(request: web.Request) -> None:
        if (
            request.path.startswith("/api/customer/")
            and watch
            and watch[0].title.startswith("freshness")
        ):
            ended.append(ended[0] if ended else time.monotonic() + 3.5)
            await asyncio.sleep(max(0.0, ended[0] - time.monotonic()))

    watch: list[Onlooker] = []
    service.hinder = hang
    outcome = run(service, lambda onlooker: watch.append(onlooker) if not watch else None)
    failed = rows_that_failed(outcome)
    assert list(failed) == ["R7"]
    assert "it gave no right answer within 3 s (timed out)" in failed["R7"].why
    assert failed["R7"].figures.errors == 0


def test_a_database_stopped_for_two_seconds_at_the_beginning_fails_its_rows() -> None:
    begun = time.monotonic()

    async def down(request: web.Request) -> web.Response | None:
        away = request.path.startswith("/api/") and time.monotonic() - begun < 2
        return web.Response(status=500) if away else None

    failed = rows_that_failed(run(Service(tops=dict(SMALL), hinder=down)))
    assert {"R6", "R7", "R8"} <= set(failed)
    assert "R4" not in failed
    assert "before the load" in failed["R6"].why
    assert "status 500 ×" in failed["R6"].why


def test_one_failure_before_the_load_is_asked_again_and_forgiven() -> None:
    seen: list[str] = []

    async def once(request: web.Request) -> web.Response | None:
        first = request.path.startswith("/api/movie/") and not seen
        seen.extend([request.path] * first)
        return web.Response(status=503) if first else None

    outcome = asyncio.run(
        _measure(Service(tops=dict(SMALL), hinder=once), replace(PLAN, peak=6, peak_rate=80))
    )
    assert "R6" not in rows_that_failed(outcome)
    assert seen


async def _measure(service: Service, plan: Any) -> CheckOutcome:
    with serving(service.app()) as (url,):
        return await measure_all(url, PROGRAM, plan, Onlooker())


class Silent(Service):
    """Carries every so manieth POST out, and never answers it in time, or with an error of a
    proxy's."""

    def __init__(self, every: int, status: int = 0) -> None:
        super().__init__(tops=dict(SMALL))
        self.every, self.status, self.posts = every, status, 0

    async def post(self, request: web.Request) -> web.Response:
        answer = await super().post(request)
        self.posts += 1
        if self.posts % self.every:
            return answer
        if not self.status:
            await asyncio.sleep(0.5)
        return web.Response(status=self.status)


def _users_session(service: Service) -> int:
    """A user's session among ours, of the same customer and movie as one of ours: only its start
    time is another."""
    mine, number = max(service.made), next(service.numbers)
    service.made[number], service.starts[number] = service.made[mine], "2021-01-02T03:04:05Z"
    return number


@pytest.mark.parametrize("status", [504, 500])
def test_sessions_whose_creation_ended_in_an_error_are_found_and_deleted(status: int) -> None:
    service, users = Silent(3, status), list[int]()

    def act(watch: Onlooker) -> None:
        if watch.title.startswith("rows created") and service.made and not users:
            users.append(_users_session(service))

    outcome = run(service, act)
    assert list(service.made) == users, "all of ours are gone, the user's is there"
    assert (outcome.rows_left, outcome.rows_perhaps_left) == ([], 0)
    assert "R12" in rows_that_failed(outcome)


def test_an_interrupted_run_finds_the_sessions_that_were_under_way() -> None:
    service = Silent(4)

    async def interrupted(url: str) -> None:
        task = asyncio.current_task()
        assert task is not None

        def stop(watch: Onlooker) -> None:
            if watch.title.startswith("rows created") and watch.n == 6:
                assert service.posts > watch.n, "one is under way"
                service.every = 10**6
                task.cancel()

        await measure_all(url, PROGRAM, PLAN, Onlooker(stop))

    with serving(service.app()) as (url,), pytest.raises(asyncio.CancelledError):
        asyncio.run(interrupted(url))
    assert not service.made


def test_what_cannot_be_found_is_reported() -> None:
    """Rows that do not show whose they are: none but the one that is surely ours is deleted."""
    service = Silent(2, 504)
    service.starts = _Forgetful()
    outcome = run(service)
    assert outcome.rows_perhaps_left == len(service.made) > 0
    assert outcome.rows_left == []


class _Forgetful(dict[int, str]):
    def __setitem__(self, key: int, value: str) -> None:
        pass
