"""binary.md, "Data": what prepare_db makes, says, needs and tolerates."""

from __future__ import annotations

import json

from standin_postgres import Postgres
from standin_world import World

COUNTS = {
    "customers": 1000,
    "movies": 58,
    "sessions": 10000,
}  # at scale 0.002 of 500 000, 29 019, 5 000 000
COLUMNS = """
    SELECT table_name || '.' || column_name, data_type, coalesce(character_maximum_length, 0), \
coalesce(column_default, '')
    FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> \
'schema_migrations'
    ORDER BY table_name, ordinal_position"""


def prepare(world: World, database: str) -> tuple[int, list[str], str]:
    """Exit code, messages, errors."""
    world.write("/opt/bingo/config.yaml", world.config(db_name=database))
    done = world.run("prepare_db")
    return (
        done.returncode,
        [json.loads(line)["msg"] for line in done.stdout.splitlines()],
        done.stderr,
    )


def counts(pg: Postgres, database: str) -> dict[str, int]:
    return {table: pg.ask(f"SELECT count(*) FROM {table}", database)[0][0] for table in COUNTS}


def test_it_fills_an_existing_database_and_says_how_far_it_is(world: World, pg: Postgres) -> None:
    code, messages, errors = prepare(world, pg.database("fresh"))
    assert (code, errors, messages[-1]) == (0, "", "Data initialisation compleat.")
    assert {f"Filling {table}" for table in COUNTS} <= set(messages)
    assert counts(pg, "fresh") == COUNTS


def test_the_tables_to_the_letter(pg: Postgres) -> None:
    assert pg.ask(COLUMNS) == [
        ("customers.id", "integer", 0, "nextval('customers_id_seq'::regclass)"),
        ("customers.name", "character varying", 80, ""),
        ("customers.surname", "character varying", 80, ""),
        ("customers.birthday", "date", 0, ""),
        ("customers.email", "character varying", 256, ""),
        ("movies.id", "integer", 0, "nextval('movies_id_seq'::regclass)"),
        ("movies.name", "character varying", 0, ""),
        ("movies.year", "integer", 0, ""),
        ("movies.duration", "bigint", 0, ""),
        ("sessions.id", "bigint", 0, "nextval('sessions_id_seq'::regclass)"),
        ("sessions.start_time", "timestamp without time zone", 0, ""),
        ("sessions.customer_id", "integer", 0, ""),
        ("sessions.movie_id", "integer", 0, ""),
    ]
    assert (
        pg.ask(
            "SELECT 1 FROM information_schema.columns WHERE table_schema = 'public' AND is_nullable"
            " = 'YES'"
        )
        == []
    )


def test_no_key_and_no_index(pg: Postgres) -> None:
    of = "'customers'::regclass, 'movies'::regclass, 'sessions'::regclass"
    assert (
        pg.ask(f"SELECT conname FROM pg_constraint WHERE conrelid IN ({of}) AND contype <> 'n'")
        == []
    )
    assert pg.ask(f"SELECT 1 FROM pg_index WHERE indrelid IN ({of})") == []
    assert pg.ask("SELECT dirty FROM schema_migrations") == [(False,)]


def test_ids_are_one_to_n_and_go_on_from_there(pg: Postgres) -> None:
    for table, count in COUNTS.items():
        assert pg.ask(
            f"SELECT min(id), max(id), count(DISTINCT id) FROM {table} WHERE id <= {count}"
        ) == [(1, count, count)]
        assert pg.ask(f"SELECT last_value >= {count} FROM {table}_id_seq") == [(True,)]
    lost = (
        "SELECT 1 FROM sessions s WHERE id <= 10000 AND NOT EXISTS (SELECT FROM movies WHERE id ="
        " movie_id)"
    )
    assert pg.ask(lost) == []


def test_two_seedings_are_alike(world: World, pg: Postgres) -> None:
    assert prepare(world, pg.database("twin"))[0] == 0
    for table, count in COUNTS.items():
        digest = (
            f"SELECT md5(string_agg(t::text, '' ORDER BY id)) FROM {table} t WHERE id <= {count}"
        )
        assert pg.ask(digest) == pg.ask(digest, "twin")


def test_the_lab_scales_the_row_counts(world: World, pg: Postgres) -> None:
    """That 1.0 means the original's is known to the program's own tests."""
    world.settings(scale=0.02)
    assert prepare(world, pg.database("larger"))[0] == 0
    assert counts(pg, "larger") == {"customers": 10000, "movies": 580, "sessions": 100000}


def test_tables_with_keys_are_tolerated(world: World, pg: Postgres) -> None:
    keyed = pg.database("keyed")
    with pg.connect(keyed) as connection:
        connection.execute("SET ROLE bingo")
        connection.execute(
            "CREATE TABLE movies (id serial PRIMARY KEY, name varchar, year int, duration bigint)"
        )
        connection.execute(
            "CREATE TABLE customers (id serial PRIMARY KEY, name varchar, surname varchar, birthday"
            " date, email varchar)"
        )
        connection.execute(
            "CREATE TABLE sessions (id bigserial PRIMARY KEY, start_time timestamp, customer_id"
            " int, movie_id int)"
        )
    assert prepare(world, keyed)[0] == 0
    assert counts(pg, keyed) == COUNTS
    code, messages, errors = prepare(world, keyed)
    assert code == 1
    assert "duplicate key value" in errors
    assert "Data initialisation compleat." not in messages


def test_a_second_run_adds_every_row_again(world: World, pg: Postgres) -> None:
    again = pg.database("again")
    assert [prepare(world, again)[0] for _ in range(2)] == [0, 0]
    assert counts(pg, again) == {table: 2 * count for table, count in COUNTS.items()}


def test_it_needs_the_right_to_create(world: World, pg: Postgres) -> None:
    name = pg.database("foreign_owned")
    pg.ask(f"ALTER DATABASE {name} OWNER TO postgres")
    code, messages, errors = prepare(world, name)
    assert code == 1
    assert errors.startswith("Error: ")
    assert "permission denied for schema public" in errors
    assert "Data initialisation compleat." not in messages
