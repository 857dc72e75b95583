"""binary.md, "Faults" and the log: the limiter, the poison, the deaths, the signal."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import RemoteDisconnected
from pathlib import Path

import pytest
from standin_app import App
from standin_world import World, until

KEYS = [
    "level",
    "timestamp",
    "caller",
    "msg",
    "app_name",
    "app_version",
    "log_path",
    "os_env",
    "os_hostname",
    "os_pid",
]
URLS = (
    "/",
    "/ping",
    "/db_dummy",
    "/long_dummy",
    "/operation",
    "/api/movie",
    "/api/session/1",
    "/nothing",
)
DEAD = "panic: we're all gonna die\n\ngoroutine "


def sick(app: App) -> bool:
    """Whether every URL answers 500."""
    answers = [app.ask(url)[:2] for url in URLS]
    return all(answer == (500, b"I feel bad.") for answer in answers)


# --- The limiter


def test_a_flood_gets_100_a_second_and_the_rest_waits_up_to_a_second(app: App) -> None:
    with ThreadPoolExecutor(250) as users:
        begin = time.monotonic()
        answers = list(users.map(lambda _: app.ask("/ping"), range(250)))
        seconds = time.monotonic() - begin
    statuses = Counter(answer.status for answer in answers)
    assert set(statuses) == {200, 503}
    assert statuses[200] <= 5 + 100 * (seconds + 0.1)
    assert statuses[200] >= 80
    assert all(answer.seconds > 0.9 for answer in answers if answer.status == 503)


def test_a_steady_surplus_is_slowed_down_and_loses_nothing(app: App) -> None:
    with ThreadPoolExecutor(30) as users:
        begin = time.monotonic()
        answers = list(users.map(lambda _: app.operation(0), range(200)))
        rate = len(answers) / (time.monotonic() - begin)
    assert {answer.status for answer in answers} == {200}
    assert 70 < rate < 110


# --- The poison


def test_k_3_leaks_until_it_is_killed(world: World) -> None:
    world.settings(deaths="off", leak_mb_per_s=150, leak_max_mb=200)
    with App(world) as app:
        before = app.ready().memory()
        assert app.operation(3 << 32).status == 200
        until(lambda: app.memory() > before + 80, "growth")
        assert app.ask("/ping")[:2] == (200, b"pong"), "alive while it leaks"
        assert app.ended() == -signal.SIGKILL


def test_k_4_panics_without_an_answer(world: World) -> None:
    with App(world) as app:
        app.ready()
        with pytest.raises((RemoteDisconnected, ConnectionResetError)):
            app.operation(4 << 32 | 12345)
        assert app.ended() == 2
        assert DEAD in app.words()


def test_k_5_answers_500_everywhere_until_restarted(world: World) -> None:
    with App(world) as app:
        assert app.ready().operation(5 << 32).status == 500
        assert sick(app)
        assert app.process.poll() is None
        assert app.stop() == 0
    with App(world) as app:
        assert app.ready().ask("/ping").status == 200


# --- The deaths


def start_of_a_second() -> int:
    """Wait for it; what is started in the same second lives equally long."""
    time.sleep(1 - time.time() % 1)
    return int(time.time())


@pytest.mark.parametrize("kind", ["exit", "panic", "leak", "500"])
def test_it_dies_by_itself_in_each_way(world: World, kind: str) -> None:
    world.settings(deaths=2, death_kinds=kind, leak_mb_per_s=400, leak_max_mb=100)
    second = start_of_a_second()
    with App(world) as app:
        app.ready()
        if kind == "500":
            until(lambda: app.ask("/ping").status == 500, "illness", 8)
            assert sick(app)
        else:
            code = app.ended(8)
            assert code in {"exit": (0, 1), "panic": (2,), "leak": (-signal.SIGKILL,)}[kind]
            assert (DEAD in app.words()) == (kind == "panic")
        assert 0.9 <= time.time() - second <= 5, "0.5 to 1.5 times the mean"


def failing(app: App) -> float:
    """The moment from which it is no good any more."""
    while app.process.poll() is None:
        try:
            if app.ask("/ping").status == 500:
                break
        except OSError:
            pass
        time.sleep(0.02)
    return time.monotonic()


def test_two_started_in_the_same_second_die_together_and_alike(
    world: World, another: World
) -> None:
    for each in (world, another):
        each.settings(deaths=2, leak_mb_per_s=400, leak_max_mb=1)
    start_of_a_second()
    with App(world) as one, App(another) as two, ThreadPoolExecutor(2) as watchers:
        first, second = watchers.map(failing, (one.ready(), two.ready()))
        assert abs(first - second) < 0.4
        time.sleep(0.1)
        assert one.process.poll() == two.process.poll()


def test_deaths_can_be_turned_on_while_it_runs(world: World) -> None:
    with App(world) as app:
        app.ready()
        time.sleep(1.5)
        assert app.process.poll() is None
        world.settings(deaths=0.5, death_kinds="panic")
        assert app.ended(5) == 2


# --- The signal


def test_sigterm_finishes_what_is_in_flight(world: World) -> None:
    with App(world) as app, ThreadPoolExecutor(1) as user:
        slow = user.submit(app.ready().ask, "/long_dummy")
        time.sleep(0.5)
        app.process.send_signal(signal.SIGTERM)
        until(lambda: refused(app), "a closed port", 2)
        assert slow.result().status == 200
        assert app.ended(3) == 0


def refused(app: App) -> bool:
    try:
        app.ask("/ping")
    except ConnectionRefusedError:
        return True
    except ConnectionError:  # met it closing
        return False
    return False


# --- The log


def test_the_log_of_an_idle_server(world: World) -> None:
    """About 20 lines/s of about 560 bytes: 1 GB a day."""
    log = world.log()
    with App(world) as app:
        app.ready()
        begin, before = time.monotonic(), log.stat().st_size
        time.sleep(2.5)
        seconds, grown = time.monotonic() - begin, log.stat().st_size - before
    lines = [line for line in log.read_text().splitlines() if line]
    assert [key for key in json.loads(lines[-1]) if key in KEYS] == KEYS
    records = [json.loads(line) for line in lines]
    assert {record["app_version"] for record in records} == {"20231121T1537"}
    assert {record["log_path"] for record in records} == {"/opt/bongo/logs/567159d622/main.log"}
    size = grown / seconds
    assert 0.8 * 20 * 560 < size < 1.2 * 20 * 560
    assert 500 < len(lines[-1]) < 620


def test_the_log_is_never_reopened_but_may_be_truncated(world: World) -> None:
    log = world.log()
    with App(world) as app:
        app.ready()
        [mine] = [
            fd
            for fd in os.listdir(fds(app))
            if os.readlink(f"{fds(app)}/{fd}").endswith("main.log")
        ]
        flags = int(
            Path(f"/proc/{app.process.pid}/fdinfo/{mine}")
            .read_text()
            .split("flags:\t")[1]
            .split()[0],
            8,
        )
        assert flags & os.O_APPEND
        assert flags & os.O_ACCMODE == os.O_WRONLY
        os.truncate(log, 0)
        until(lambda: 0 < log.stat().st_size < 20_000, "writing on at the new end")
        moved = log.rename(log.with_name("main.log.1"))
        size = moved.stat().st_size
        until(lambda: moved.stat().st_size > size, "writing on into the renamed file")
        assert not log.exists()


def fds(app: App) -> str:
    return f"/proc/{app.process.pid}/fd"


def test_the_log_may_be_a_link_to_nothing(world: World) -> None:
    world.log().symlink_to("/dev/null")
    with App(world) as app:
        assert app.ready().ask("/ping").status == 200


def test_every_request_is_logged(world: World) -> None:
    with App(world) as app:
        app.ready().ask("/api/movie/1")
        until(lambda: '"path":"/api/movie/1"' in world.log().read_text(), "its line")
