"""binary.md, "HTTP": every call of the table, its errors and its time."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest
from standin_app import App
from standin_postgres import Postgres

SHOWING = {"start_time": "2023-11-21T18:37:00+03:00", "customer_id": 7, "movie_id": 3}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_index(app: App, method: str) -> None:
    page = app.ask("/", method)
    assert (page.status, page.headers["Content-Type"], len(page.body)) == (200, "text/plain", 336)
    assert b"\ncode:         index_page_is_awesome\n" in page.body


def test_ping(app: App) -> None:
    assert app.ask("/ping")[:2] == (200, b"pong")


def test_db_dummy_sleeps_in_the_database(app: App) -> None:
    answer = app.ask("/db_dummy")
    assert answer.status == 200
    assert 0.1 <= answer.seconds < 0.4


def test_long_dummy_is_json_and_slow(app: App) -> None:
    answer = app.ask("/long_dummy")
    assert answer.status == 200
    assert 1 < answer.seconds < 6
    assert age(answer.json()["time"]) < 1


def age(stamp: str) -> float:
    """Seconds since an RFC 3339 time; Python reads microseconds only."""
    whole, fraction = stamp.removesuffix("Z").split(".")
    then = datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp() + float(f"0.{fraction}")
    return abs(time.time() - then)


@pytest.mark.parametrize(
    "path", ["/operation", "/db_dummy", "/api/movie/1", "/api/customer/1", "/api/session/1"]
)
def test_answers_carry_the_nodes_time(app: App, path: str) -> None:
    answer = app.operation(1) if path == "/operation" else app.ask(path)
    assert age(answer.json()["time"]) < 1
    passed = datetime.now(UTC) - parsedate_to_datetime(answer.headers["Date"])
    assert abs(passed.total_seconds()) < 2


@pytest.mark.parametrize(
    "number", [0, 1, -1, 2**31, 1 << 32, 2 << 32, 6 << 32, 15 << 32, 2**63 - 1, 0x1200000005]
)
def test_harmless_operations(app: App, number: int) -> None:
    answer = app.operation(number).json()
    assert answer["operation"] == number
    assert answer["host"]
    assert app.ask("/ping").status == 200


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        "[]",
        '{"operation": "1"}',
        '{"operation": 1.5}',
        '{"operation": 9223372036854775808}',
    ],
)
def test_operations_that_are_none(app: App, body: str) -> None:
    answer = app.ask("/operation", "POST", body)
    assert answer.status == 400
    assert answer.json()["error"]


def test_single_rows_are_those_of_the_database(app: App, pg: Postgres) -> None:
    movie, customer, session = (
        app.ask(f"/api/{kind}/5").json() for kind in ("movie", "customer", "session")
    )
    assert pg.ask("SELECT id, name, year, duration FROM movies WHERE id = 5") == [
        tuple(movie[key] for key in ("id", "name", "year", "duration"))
    ]
    assert pg.ask(
        "SELECT id, name, surname, birthday::text, email FROM customers WHERE id = 5"
    ) == [tuple(customer[key] for key in ("id", "name", "surname", "birthday", "email"))]
    [(start, who, what)] = pg.ask(
        "SELECT start_time, customer_id, movie_id FROM sessions WHERE id = 5"
    )
    assert session["start_time"] == f"{start.isoformat()}Z"
    assert (session["customer"]["id"], session["movie"]["id"]) == (who, what)
    assert session["movie"] | movie == app.ask(f"/api/movie/{what}").json() | movie


@pytest.mark.parametrize("kind", ["movie", "customer", "session"])
def test_rows_that_are_not_there(app: App, kind: str) -> None:
    for number in (0, -1, 99_999_999, 2**40):
        assert app.ask(f"/api/{kind}/{number}").status == 404
    for wrong in ("x", "", "1.5", "1/2"):
        assert app.ask(f"/api/{kind}/{wrong}").status == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/api/movie/1"),
        ("POST", "/api/customer"),
        ("PUT", "/api/session/1"),
        ("GET", "/operation"),
    ],
)
def test_methods_that_are_not_offered(app: App, method: str, path: str) -> None:
    assert app.ask(path, method).status == 405
    assert app.ask("/nothing/here").status == 404


def test_lists_are_whole_and_sorted(app: App, pg: Postgres) -> None:
    movies = app.ask("/api/movie").json()
    assert len(movies) == 58
    assert movies == sorted(movies, key=lambda m: (-m["year"], m["name"], -m["id"]))
    assert len(app.ask("/api/customer").json()) == 1000
    sessions = app.ask("/api/session").json()
    order = "ORDER BY movies.year DESC, movies.name, customers.id, sessions.id DESC"
    tables = (
        "sessions JOIN customers ON customer_id = customers.id JOIN movies ON movie_id = movies.id"
    )
    assert [one["id"] for one in sessions] == [
        row[0] for row in pg.ask(f"SELECT sessions.id FROM {tables} {order}")
    ]


def test_a_list_ends_at_100_000_rows(app: App, pg: Postgres) -> None:
    pg.ask("INSERT INTO movies SELECT n, 'x', 1800, 1 FROM generate_series(1000001, 1100000) n")
    try:
        movies = app.ask("/api/movie").json()
    finally:
        pg.ask("DELETE FROM movies WHERE id > 1000000")
    assert len(movies) == 100_000


def test_a_session_is_made_shown_and_deleted(app: App, pg: Postgres) -> None:
    made = app.ask("/api/session", "POST", SHOWING)
    number = made.json()["id"]
    assert (made.status, number > 10000) == (200, True)
    assert pg.ask(
        f"SELECT start_time::text, customer_id, movie_id FROM sessions WHERE id = {number}"
    ) == [("2023-11-21 15:37:00", 7, 3)]
    assert app.ask(f"/api/session/{number}").json()["start_time"] == "2023-11-21T15:37:00Z"
    assert app.ask(f"/api/session/{number}", "DELETE").json()["deleted"] == number
    assert app.ask(f"/api/session/{number}", "DELETE").status == 404
    assert app.ask(f"/api/session/{number}").status == 404


@pytest.mark.parametrize("lacking", ["start_time", "customer_id", "movie_id", "everything"])
def test_half_a_session_is_refused(app: App, lacking: str) -> None:
    body = {key: value for key, value in SHOWING.items() if key != lacking}
    assert app.ask("/api/session", "POST", "{" if lacking == "everything" else body).status == 400
    assert app.ask("/api/session", "POST", SHOWING | {"start_time": "yesterday"}).status == 400


def test_a_lost_database_is_an_error_and_not_an_illness(app: App, pg: Postgres) -> None:
    pg.ask("ALTER TABLE movies RENAME TO gone")
    try:
        answer = app.ask("/api/movie/1")
        assert (answer.status, app.ask("/ping").status) == (500, 200)
        assert "movies" in json.loads(answer.body)["error"]
    finally:
        pg.ask("ALTER TABLE gone RENAME TO movies")


def test_reads_can_be_slowed_down_while_it_runs(app: App) -> None:
    world = app.world
    world.settings(deaths="off", slow_ms=300)
    try:
        time.sleep(1.1)  # it looks once a second
        assert app.ask("/api/movie/1").seconds >= 0.3
        assert app.ask("/ping").seconds < 0.3
    finally:
        world.settings(deaths="off", scale=0.002)
    time.sleep(1.1)
    assert app.ask("/api/movie/1").seconds < 0.3
