"""The whole acceptance against real servers on loopback: one that is well, and each thing that
must make it fail."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from load_server import SMALL, Cache, Rule, Service, serving
from rich.console import Console
from samples import PROGRAM

from fabfile.acceptance.outcome import CheckOutcome
from fabfile.acceptance.plan import Plan
from fabfile.acceptance.row import Row, Verdict
from fabfile.acceptance.run import measure_all
from fabfile.drills.result import DrillResult
from fabfile.engine.errors import RunbookError
from fabfile.flows.measure import measure_service
from fabfile.traffic.sample import Sample

TINY = Plan(
    name="tiny",
    peak=1,
    steady=0.1,
    rounds=3,
    writes=10,
    pings=4,
    list_budget=5,
    own_list_budget=5,
    proof=False,
    cache_seconds=0.5,
    cache_gap=0.3,
    quic_connections=2,
    quic_each=2,
    cache_apart=0.05,
    gap=0.55,
    peak_rate=20,
    steady_rate=20,
    write_rate=100,
)
FRESH_ROWS = ["R4", "R5", "R6", "R7", "R8", "R9", "R10", "R11"]


class Onlooker:
    """A watch that knows the phase, and may act on a sample."""

    def __init__(self, act: Callable[[Onlooker], None] = lambda _: None) -> None:
        self.title, self.n, self.act = "", 0, act

    def phase(self, title: str, total: int) -> None:
        self.title, self.n = title, 0

    def saw(self, sample: Sample) -> None:
        self.n += 1
        self.act(self)


def not_held(outcome: CheckOutcome) -> dict[str, Row]:
    return {
        row.id: row for row in outcome.rows if row.verdict not in (Verdict.HELD, Verdict.NOT_TRIED)
    }


async def side_by_side(
    urls: list[str], plans: list[Plan], watches: list[Onlooker]
) -> list[CheckOutcome]:
    return await asyncio.gather(
        *(
            measure_all(url, PROGRAM, plan, watch)
            for url, plan, watch in zip(urls, plans, watches, strict=True)
        )
    )


def test_a_well_service_holds(capsys: pytest.CaptureFixture[str]) -> None:
    service = Service(tops=SMALL)
    with serving(service.app()) as (url,):
        code = measure_service(
            url, PROGRAM, plan=replace(TINY, peak=0.5, peak_rate=120), json_path="-", console=None
        )
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert code == 0, err
    assert told["ok"] is True
    assert [row["id"] for row in told["rows"]] == [
        "R1",
        "R2",
        "R3",
        *(f"R{n}" for n in range(3, 23)),
    ]
    verdicts = {row["id"]: row["verdict"] for row in told["rows"]}
    # The address has a port, so nothing says where https is; and the hosts are not known.
    untried = ["R1", "R2", "R14", "R15", "R17", "R18", "R20", "R21", "R22"]
    assert verdicts == dict.fromkeys(verdicts, "held") | dict.fromkeys(untried, "not tried")
    states = {row["id"]: row["fresh"]["state"] for row in told["rows"] if row["fresh"]}
    assert states == dict.fromkeys(FRESH_ROWS, "fresh") | dict.fromkeys(
        ["R9", "R10"], "likely fresh"
    )
    assert told["ids"]["R8"] == {"top": SMALL["session"], "known": True}
    assert not service.made, "what was made was not deleted"
    assert "Acceptance of" in err
    assert "14 held, 9 not tried" in err


def path_is(path: str, method: str = "GET") -> Callable[[web.Request], bool]:
    return lambda request: (request.method, request.path) == (method, path)


def under(path: str) -> Callable[[web.Request], bool]:
    return lambda request: request.method == "GET" and request.path.startswith(path)


CACHES: list[dict[str, Rule]] = [
    {
        "R4": Rule(path_is("/operation", "POST"), "nginx", 60),
        "R6": Rule(under("/api/movie/"), "age", 60),
        "R9": Rule(path_is("/api/movie"), "says", 60),
    },
    {
        "R5": Rule(path_is("/db_dummy"), "nginx", 0.5),
        "R7": Rule(under("/api/customer/"), "nginx", 1),
        "R11": Rule(path_is("/api/session"), "nginx", 60),
    },
    {
        "R8": Rule(under("/api/session/"), "nginx", 0.2),
        "R10": Rule(path_is("/api/customer"), "replays", 60),
    },
]
"""What each of three proxies keeps. The last is seen by its Date alone, which takes turns of the
real length."""


class Ill:
    """Services with one fault each, by name. What they do to a request is a coroutine that may
    answer instead."""

    def __init__(self) -> None:
        self.watch = Onlooker()
        self.number, self.free = count(1), 0.0

    async def slow(self, request: web.Request) -> None:
        if request.path.startswith("/api/customer/") and self.watch.title.startswith("peak"):
            await asyncio.sleep(0.45)

    async def failing(self, request: web.Request) -> web.Response | None:
        # One in four of a fifth of all requests: five in a hundred.
        hit = request.path.startswith("/api/movie/") and self.watch.title.startswith("peak")
        return web.Response(status=503) if hit and next(self.number) % 4 == 0 else None

    async def one_node(self, _: web.Request) -> None:
        """The binary's limiter: so many a second, surplus waits."""
        if self.watch.title.startswith("peak"):
            self.free = max(self.free, time.monotonic()) + 1 / 8
            await asyncio.sleep(self.free - time.monotonic())

    async def sick(self, request: web.Request) -> web.Response | None:
        return web.Response(status=500, text="I feel bad.") if request.path == "/ping" else None

    async def pretending(self, request: web.Request) -> web.Response | None:
        return web.Response(status=204) if request.method == "DELETE" else None


FAULTS = ["slow", "failing", "one_node", "sick", "pretending"]
REPLIES: dict[str, Callable[[int], Any]] = {
    "no_id": lambda number: {"done": True},
    "old_id": lambda number: {"id": 7},
}
Runs = dict[str, tuple[Service, CheckOutcome]]


@pytest.fixture(scope="module")
def runs() -> Runs:
    """A run against each ill service and through each proxy, side by side: they wait more than
    they work."""
    ills = [Ill() for _ in FAULTS]
    services = [Service(hinder=getattr(ill, name)) for ill, name in zip(ills, FAULTS, strict=True)]
    services += [Service(reply_to_post=reply) for reply in REPLIES.values()]
    # Answers that tell no time: what is kept of R8 and R11 shows only by writing and reading again.
    services += [Service(tells_time=number != 2) for number in range(len(CACHES))]
    names = [*FAULTS, *REPLIES, *(f"cache{number}" for number in range(len(CACHES)))]
    watches = [*(ill.watch for ill in ills), *(Onlooker() for _ in names[len(ills) :])]
    plans = [replace(TINY, gap=1.6 if name == "cache2" else TINY.gap) for name in names]
    with serving(*(service.app() for service in services)) as origins:
        upstreams = origins[-len(CACHES) :]
        proxies = [
            Cache(url, list(rules.values())) for url, rules in zip(upstreams, CACHES, strict=True)
        ]
        with serving(*(proxy.app() for proxy in proxies)) as urls:
            outcomes = asyncio.run(side_by_side([*origins[: -len(CACHES)], *urls], plans, watches))
    return dict(zip(names, zip(services, outcomes, strict=True), strict=True))


@pytest.mark.parametrize("number", range(len(CACHES)))
def test_a_cache_on_the_way_fails_by_the_name_of_what_it_keeps(runs: Runs, number: int) -> None:
    failed = not_held(runs[f"cache{number}"][1])
    assert list(failed) == list(CACHES[number]), [(row.id, row.why) for row in failed.values()]
    for row in failed.values():
        assert row.why.startswith("it is cached: ")
        assert "search for a cache" in row.next


def test_a_slow_endpoint_fails_alone(runs: Runs) -> None:
    failed = not_held(runs["slow"][1])
    assert list(failed) == ["R7"]
    assert failed["R7"].why.startswith("p90 is ")
    assert failed["R7"].next


def test_errors_above_their_share_fail_their_row_and_the_rate(runs: Runs) -> None:
    failed = not_held(runs["failing"][1])
    assert list(failed) == ["R3", "R6"]
    assert failed["R6"].why == "1 of 4 failed (status 503 ×1)"
    assert failed["R3"].why.endswith("1 of 20 failed (status 503 ×1)")
    assert failed["R3"].figures.kinds == {"status 503": 1}


def test_one_node_does_not_carry_the_peak(runs: Runs) -> None:
    failed = not_held(runs["one_node"][1])
    assert "of 20 requests/s were carried" in failed["R3"].why
    assert {"R4", "R5", "R6", "R7", "R8"} & set(failed), "its p90 must show it too"


def test_an_ill_node_is_seen_through_ping(runs: Runs) -> None:
    assert list(not_held(runs["sick"][1])) == ["R19"]


@pytest.mark.parametrize(
    ("reply", "word"), [("no_id", "has no id"), ("old_id", "id 7, which existed before")]
)
def test_sessions_that_may_be_a_users_are_not_deleted(runs: Runs, reply: str, word: str) -> None:
    service, outcome = runs[reply]
    row = next(row for row in outcome.rows if row.id == "R13")
    assert row.verdict is Verdict.NOT_TRIED
    assert word in row.why
    assert outcome.ok
    assert not [path for path in service.paths if path.startswith("DELETE")]
    assert len(service.made) == 1, "after the first, no more are made"
    assert outcome.rows_perhaps_left == 1


def test_a_delete_that_does_nothing_is_found_out(runs: Runs) -> None:
    failed = not_held(runs["pretending"][1])
    assert list(failed) == ["R13"]
    assert "was accepted, but GET /api/session/" in failed["R13"].why


def test_an_interrupted_run_takes_its_sessions_with_it() -> None:
    service = Service()

    async def run(url: str) -> None:
        task = asyncio.current_task()
        assert task is not None

        def stop(watch: Onlooker) -> None:
            if watch.title.startswith("rows created") and watch.n == 8:
                assert service.made
                task.cancel()

        await measure_all(url, PROGRAM, replace(TINY, rounds=1), Onlooker(stop))

    with serving(service.app()) as (url,), pytest.raises(asyncio.CancelledError):
        asyncio.run(run(url))
    assert not service.made


def test_nobody_there_is_told_in_three_parts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(RunbookError) as caught:
        measure_service(
            f"127.0.0.1:{port}", PROGRAM, plan=TINY, console=Console(file=io.StringIO())
        )
    assert caught.value.code == 4
    assert caught.value.problem == f"http://127.0.0.1:{port} does not answer: connection refused"
    assert caught.value.why
    assert caught.value.next == "fab status"


def test_figures_that_cannot_be_written_are_refused_before_the_run(tmp_path: Path) -> None:
    service = Service()
    with serving(service.app()) as (url,), pytest.raises(RunbookError, match="cannot be written"):
        measure_service(
            url,
            PROGRAM,
            plan=TINY,
            json_path=str(tmp_path / "none" / "x.json"),
            console=Console(file=io.StringIO()),
        )
    assert not service.paths


QUICKEST = replace(TINY, rounds=1, peak=0.25, pings=1, cache_seconds=0.1)


def test_drills_that_cannot_be_made_fail_their_rows_and_cost_no_other(tmp_path: Path) -> None:
    def locked(_: Console) -> list[DrillResult]:
        raise RunbookError("node1 is locked by ops", "nothing was broken", "fab status")

    with serving(Service(tops=SMALL).app()) as (url,):
        measure_service(
            url,
            PROGRAM,
            plan=QUICKEST,
            run_drills=locked,
            report=tmp_path / "page",
            console=Console(file=io.StringIO()),
        )
    told = json.loads((tmp_path / "page" / "report.json").read_text())["check"]
    rows = {row["id"]: row for row in told["rows"]}
    assert [rows[id]["verdict"] for id in ("R1", "R2", "R5")] == ["failed", "failed", "held"]
    assert (rows["R1"]["why"], rows["R1"]["next"]) == (
        "could not be tried: node1 is locked by ops",
        "fab status",
    )
    assert [phase["name"] for phase in told["phases"]] == ["steady", "peak"]
    assert sum(second["ok"] for second in told["phases"][1]["timeline"]) == 5


def test_what_was_measured_is_shown_when_drills_are_broken_off() -> None:
    def broken_off(_: Console) -> list[DrillResult]:
        raise KeyboardInterrupt

    screen = io.StringIO()
    with serving(Service(tops=SMALL).app()) as (url,), pytest.raises(KeyboardInterrupt):
        measure_service(
            url,
            PROGRAM,
            plan=QUICKEST,
            run_drills=broken_off,
            console=Console(file=screen, width=120),
        )
    assert "· R1, R2 not tried: interrupted" in screen.getvalue()
    assert "GET /db_dummy" in screen.getvalue()
