"""binary.md, "Start": the call to 8.8.8.8, the printed codes, the port, memory and connections."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor, wait

import pytest
from standin_app import Answer, App
from standin_postgres import Postgres
from standin_world import GOOGLE, World, until

RULER = "-" * 50
FAST_FAIL = f"{RULER}\ncode:         google_dns_is_not_http\n{RULER}\n"
STARTED = f"""My congratulations.
You were able to start the server.
Here's a secret code that confirms that you did it.
{RULER}
code:         yoohoo_server_launched
{RULER}
"""
SESSION = {"start_time": "2023-11-21T15:37:00Z", "customer_id": 1, "movie_id": 1}


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ("true", "true"),  # no route at all
        (f"ip route add prohibit {GOOGLE}", f"ip route del {GOOGLE}"),
        (f"ip route add unreachable {GOOGLE}", f"ip route del {GOOGLE}"),
        (
            f"ip addr add {GOOGLE}/32 dev lo",
            f"ip addr del {GOOGLE}/32 dev lo",
        ),  # a reset: nothing listens
    ],
    ids=["no-route", "prohibit", "unreachable", "reset"],
)
def test_where_the_call_fails_fast_it_starts_at_once_and_says_so(
    world: World, begin: str, end: str
) -> None:
    world.sh(begin)
    try:
        began = time.monotonic()
        with App(world) as app:
            app.ready(5)
            assert time.monotonic() - began < 5
            assert app.words() == FAST_FAIL + STARTED
    finally:
        world.sh(end)


def test_an_http_answer_starts_it_without_that_block(world: World) -> None:
    world.sh(f"ip addr add {GOOGLE}/32 dev lo")
    try:
        with world.listen(GOOGLE, 80) as google, ThreadPoolExecutor(1) as pool:

            def answer() -> bytes:
                google.settimeout(10)
                caller, _ = google.accept()
                with caller:
                    asked = caller.recv(4096)
                    caller.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
                    return asked

            asked = pool.submit(answer)
            with App(world) as app:
                app.ready(5)
                assert app.words() == STARTED
            assert asked.result().startswith(b"GET / HTTP/1.1\r\nHost: 8.8.8.8\r\n")
    finally:
        world.sh(f"ip addr del {GOOGLE}/32 dev lo")


def test_the_port_hangs_on_the_email_only(world: World) -> None:
    ports: dict[str, set[int]] = {}
    for email in ("test@example.com", "a@example.com", "b@example.com", "test@example.com"):
        world.log(email)
        with App(world, world.config(email)) as app:
            assert len(app.ready().listeners()) == 1, "one port, IPv6 wildcard"
            ports.setdefault(email, set()).add(app.port)
    assert all(len(found) == 1 for found in ports.values())
    different = set().union(*ports.values())
    assert len(different) == len(ports)
    assert all(2281 <= port <= 32862 for port in different)


def test_a_port_that_is_taken(app: App) -> None:
    done = app.world.run("run_server")
    assert done.returncode == 1
    assert "address already in use" in done.stderr
    assert "yoohoo" not in done.stdout


def test_normal_memory(app: App) -> None:
    for _ in range(20):
        assert app.ask("/api/movie/1").status == 200
    assert 25 <= app.memory() <= 50


def test_two_connections_when_idle(app: App, pg: Postgres) -> None:
    until(lambda: pg.connections() == 2, "two idle connections")
    time.sleep(1)
    assert pg.connections() == 2


def test_connections_open_without_bound_and_close_again(app: App, pg: Postgres) -> None:
    with ThreadPoolExecutor(70) as users, pg.connect() as lock:
        lock.execute("BEGIN")
        lock.execute("LOCK TABLE movies")
        asked = [users.submit(app.ask, "/api/movie/1") for _ in range(70)]
        until(lambda: pg.connections() >= 70, "a connection for every waiting request")
        lock.execute("ROLLBACK")
        assert {one.result().status for one in asked} == {200}
    until(lambda: pg.connections() == 2, "back to two")


CUT = """nft 'add table ip cut; add chain ip cut in { type filter hook input priority 0; };
    add rule ip cut in tcp sport 5433 drop; add rule ip cut in tcp dport 5433 drop'"""


def test_it_finds_the_primary_by_itself_and_the_next_one_when_that_falls_silent(
    home: World,
) -> None:
    one = Postgres(home, 5433)
    two = Postgres(home, 5434, source=one)
    one.database("bingo")
    one.ask(
        "CREATE TABLE sessions (id bigserial, start_time timestamp, customer_id int, movie_id int)"
    )
    one.ask("ALTER TABLE sessions OWNER TO bingo")
    until(
        lambda: two.ask("SELECT 1 FROM pg_database WHERE datname = 'bingo'", "postgres"),
        "replication",
    )
    until(lambda: two.ask("SELECT 1 FROM pg_tables WHERE tablename = 'sessions'"), "replication")
    local = [("127.0.0.1", port) for port in (1, two.port, one.port)]  # nothing listens on port 1
    home.sh("ip route add 203.0.113.1 dev lo")  # a host that hangs
    home.log()
    with (
        ThreadPoolExecutor(50) as users,
        App(home, home.config(hosts=[("203.0.113.1", 5432), *local])) as app,
    ):
        app.ready(4)
        asked: list[Future[Answer]] = []

        def written() -> bool:
            """Asks anew each time: what was asked of a silent server is never answered."""
            asked.append(users.submit(app.ask, "/api/session", "POST", SESSION))
            wait(asked[-1:], 0.3)
            return any(one.done() and one.result().status == 200 for one in asked)

        until(written, "writing to the primary", 1)
        home.sh(CUT)
        asked.clear()
        two.ask("SELECT pg_promote()")
        until(written, "writing to the new primary", 15)
        assert not asked[0].done()
    home.sh("nft delete table ip cut; ip route del 203.0.113.1 dev lo")
    one.stop()
    two.stop()
