"""The acceptance of a program that nobody here wrote, from its service file alone: a server on
loopback that answers as miniflux does."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiohttp import web
from load_server import serving
from msgspec.structs import replace as alter
from rich.console import Console
from samples import MINIFLUX
from test_load_acceptance import TINY, Onlooker

from fabfile.acceptance.outcome import CheckOutcome
from fabfile.acceptance.row import Row, Verdict
from fabfile.acceptance.run import measure_all
from fabfile.drills.figures import writes_of
from fabfile.engine.secret import Secret
from fabfile.flows.measure import measure_service
from fabfile.traffic.users import UserLoad

TOKEN = "t0ken-of-the-checks"
HEADERS = {"X-Auth-Token": Secret(TOKEN)}
ENTRIES = 700
"""Fewer than the file says: the check must find out."""

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Reader:
    """Its API. `lost`: of so many creations, one is executed and not answered. `twice`: a proxy
    sends every creation twice, and passes on the second answer."""

    lost: int = 0
    twice: bool = False
    titles: dict[int, str] = field(default_factory=lambda: {1: "All"})
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(2))
    unauthorised: int = 0
    deleted: set[int] = field(default_factory=set)

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self.check_token])
        app.router.add_get("/robots.txt", self.robots)
        app.router.add_get("/healthcheck", self.healthcheck)
        app.router.add_get("/v1/entries", self.entries)
        app.router.add_put("/v1/entries", self.no_content)
        app.router.add_get("/v1/entries/{id}", self.entry)
        app.router.add_put("/v1/entries/{id}/bookmark", self.no_content)
        app.router.add_get("/v1/feeds/{id}", self.entry)
        app.router.add_get("/v1/categories", self.categories)
        app.router.add_post("/v1/categories", self.create)
        app.router.add_delete("/v1/categories/{id}", self.delete)
        return app

    @property
    def check_token(self) -> Any:
        @web.middleware
        async def check(request: web.Request, handler: Answer) -> web.StreamResponse:
            if request.headers.get("X-Auth-Token") != TOKEN:
                self.unauthorised += 1
                if request.path.startswith("/v1/"):
                    return web.json_response({"error_message": "access unauthorized"}, status=401)
            return await handler(request)

        return check

    async def robots(self, _: web.Request) -> web.Response:
        return web.Response(text="User-agent: *\nDisallow: /")

    async def healthcheck(self, _: web.Request) -> web.Response:
        return web.Response(text="OK")

    async def no_content(self, _: web.Request) -> web.Response:
        return web.Response(status=204)

    async def entries(self, request: web.Request) -> web.Response:
        assert request.query["limit"] == "100"
        return compact({"total": ENTRIES, "entries": [{"id": n} for n in range(100)]})

    async def entry(self, request: web.Request) -> web.Response:
        number = int(request.match_info["id"])
        if number > ENTRIES:
            return compact({"error_message": "not found"}, 404)
        return compact({"id": number, "title": "a"})

    async def categories(self, _: web.Request) -> web.Response:
        return compact([{"id": n, "title": title} for n, title in self.titles.items()])

    async def create(self, request: web.Request) -> web.Response:
        title = (await request.json())["title"]
        for _ in range(1 + self.twice):
            if title in self.titles.values():
                return compact({"error_message": "This category already exists."}, 400)
            number = next(self.numbers)
            self.titles[number] = title
        if self.lost and number % self.lost == 0:
            return compact({}, 504)
        return compact({"id": number, "title": title}, 201)

    async def delete(self, request: web.Request) -> web.Response:
        number = int(request.match_info["id"])
        if self.titles.pop(number, None) is None:
            return compact({}, 404)
        self.deleted.add(number)
        return web.Response(status=204)


def compact(value: Any, status: int = 200) -> web.Response:
    text = json.dumps(value, separators=(",", ":"))
    return web.Response(text=text, status=status, content_type="application/json")


def check(reader: Reader, headers: dict[str, Secret] = HEADERS) -> CheckOutcome:
    async def measure(url: str) -> CheckOutcome:
        return await measure_all(url, MINIFLUX, TINY, Onlooker(), headers=headers)

    with serving(reader.app()) as (url,):
        return asyncio.run(measure(url))


def by_id(outcome: CheckOutcome) -> dict[str, Row]:
    return {row.id: row for row in reversed(outcome.rows)}


def test_every_row_of_its_file_is_held(capsys: pytest.CaptureFixture[str]) -> None:
    reader = Reader()
    with serving(reader.app()) as (url,):
        plan = replace(TINY, peak=1.5, peak_rate=60)
        code = measure_service(url, MINIFLUX, headers=HEADERS, plan=plan, json_path="-")
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert code == 0, err
    ids = [row["id"] for row in told["rows"]]
    answers = ["healthcheck", "entry", "feed", "categories", "entries_read", "bookmark"]
    writes = ["category_new", "category_delete"]
    generic = ["R14", "R15", "R17", "R18", "robots", "R20", "R21", "R22"]
    assert ids == ["R1", "R2", "R3", "R3", *answers, "entries", *writes, *generic]
    held = [row["id"] for row in told["rows"] if row["held"]]
    assert held == ["R3", "R3", *answers, "entries", *writes, "robots"]
    assert told["ids"] == {"entry": {"top": ENTRIES, "known": True}}
    fresh = {row["id"]: row["fresh"]["state"] for row in told["rows"] if row["fresh"]}
    assert set(fresh) == {"entry", "feed", "categories", "entries"}
    assert fresh["categories"] == "fresh", "a deleted row is gone with the next request"
    assert (reader.unauthorised, reader.titles) == (0, {1: "All"})
    assert reader.deleted
    assert TOKEN not in out + err


def test_without_its_token_what_needs_it_fails() -> None:
    outcome = check(Reader(), headers={})
    rows = by_id(outcome)
    failed = {id for id, row in rows.items() if row.verdict is Verdict.FAILED}
    assert {"entry", "feed", "categories", "entries", "category_new"} <= failed
    assert not {"healthcheck", "robots"} & failed
    assert "status 401" in rows["feed"].why


def test_rows_whose_creation_got_no_answer_are_found_in_the_list() -> None:
    reader = Reader(lost=3)
    outcome = check(reader)
    assert (outcome.rows_left, outcome.rows_perhaps_left) == ([], 0)
    assert reader.titles == {1: "All"}
    assert by_id(outcome)["category_new"].figures.kinds == {"status 504": 4}


def test_a_creation_that_is_executed_twice_is_seen() -> None:
    reader = Reader(twice=True)
    outcome = check(reader)
    row = by_id(outcome)["category_new"]
    assert row.verdict is Verdict.FAILED
    assert "status 400: executed twice" in row.why
    assert outcome.rows_perhaps_left == len(reader.titles) - 1, "what is left is reported"


def test_users_of_a_drill_ask_in_its_shares_and_leave_nothing() -> None:
    reader = Reader(lost=5)
    with serving(reader.app()) as (url,):
        with UserLoad(url, MINIFLUX, 120.0, {}, HEADERS) as users:
            deadline = asyncio.run(_wait_for(lambda: len(users.samples) >= 240))
        assert deadline
        assert users.error is None
    asked = {sample.endpoint for sample in users.samples}
    weighted = {one.id for one in MINIFLUX.endpoints if one.sample.weight}
    assert asked == weighted
    errors = {sample.error for sample in users.samples if not sample.ok}
    assert errors <= {"status 504"}
    assert {s.endpoint for s in users.samples if not s.ok} <= writes_of(MINIFLUX)
    assert (reader.unauthorised, reader.titles) == (0, {1: "All"})


async def _wait_for(condition: Callable[[], bool]) -> bool:
    for _ in range(400):
        if condition():
            return True
        await asyncio.sleep(0.05)
    return False


def test_a_program_without_requests_of_its_own_is_still_checked() -> None:
    """A skeleton as discovery writes it: a live page, no endpoint, no database."""
    bare = alter(
        MINIFLUX,
        endpoints=(),
        values={},
        database=None,
        health=alter(MINIFLUX.health, database=None),
    )
    screen = io.StringIO()
    with serving(Reader().app()) as (url,):
        code = measure_service(url, bare, plan=TINY, console=Console(file=screen, width=120))
    assert code == 0, screen.getvalue()
    assert "2 held, 9 not tried" in screen.getvalue()
