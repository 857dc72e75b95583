"""What a program says about how it is configured: options, variables, migrations, addresses."""

from __future__ import annotations

import pytest

from fabfile.discovery.help_options import (
    Option,
    find_dump_option,
    find_migrate_option,
    find_version_option,
    read_options,
    read_variables,
)
from fabfile.discovery.help_text import read_help
from fabfile.discovery.libraries import parse_program_file
from fabfile.discovery.listening import address_choices, name_address_ways
from fabfile.discovery.migration import migration_message
from fabfile.discovery.model import Attempt, Variable
from fabfile.discovery.variables import (
    FROM_FILE,
    demanded_variable,
    drop_name_ends,
    dumped_variables,
    is_database_variable,
    named_variables,
)

GO = """Usage of feeds:
  -c string
    \tLoad configuration file
  -config-dump
    \tPrint parsed configuration values
  -i\tShow build information
  -listen string
    \taddress (default "127.0.0.1:8080")
  -migrate
    \tRun SQL migrations
  -version
    \tShow application version
"""
CLAP = """Start the web server

Usage: jobs serve [OPTIONS]

Options:
      --host <HOST>
          Host to bind to

          [default: 127.0.0.1]

      --pool-max <POOL_MAX>
          Connections [env: JOBS_POOL_MAX=] [default: 10]
  -h, --help                         Print help
"""
URFAVE = """COMMANDS:
   help, h  Shows a list of commands
   Client commands:
     publish, pub  Send message
   Server commands:
     serve   Run the server

OPTIONS:
   --listen-http value, -l value   ip:port used (default: ":80") [$NOTE_LISTEN_HTTP]
   --debug, -d                     debug logging (default: false) [$NOTE_DEBUG]
"""
COBRA = """Flags:
  -a, --address string   Address of the interface. (default "127.0.0.1")
  -h, --help             help
"""


@pytest.mark.parametrize(
    ("text", "option"),
    [
        (
            GO,
            Option(("-listen",), True, "127.0.0.1:8080", "", 'address (default "127.0.0.1:8080")'),
        ),
        (GO, Option(("-i",), False, "", "", "Show build information")),
        (CLAP, Option(("--host",), True, "127.0.0.1", "", "Host to bind to [default: 127.0.0.1]")),
        (
            CLAP,
            Option(
                ("--pool-max",),
                True,
                "10",
                "JOBS_POOL_MAX",
                "Connections [env: JOBS_POOL_MAX=] [default: 10]",
            ),
        ),
        (
            URFAVE,
            Option(
                ("--listen-http", "-l"),
                True,
                ":80",
                "NOTE_LISTEN_HTTP",
                'ip:port used (default: ":80") [$NOTE_LISTEN_HTTP]',
            ),
        ),
        (
            COBRA,
            Option(
                ("-a", "--address"),
                True,
                "127.0.0.1",
                "",
                'Address of the interface. (default "127.0.0.1")',
            ),
        ),
    ],
)
def test_options_of_help_texts(text: str, option: Option) -> None:
    assert option in read_options(text)


def test_options_with_a_purpose() -> None:
    options = read_options(GO)
    found = [find_version_option(options), find_migrate_option(options), find_dump_option(options)]
    assert [option and option.name for option in found] == ["-version", "-migrate", "-config-dump"]
    assert find_migrate_option(read_options("  --auto-migrate  at each start\n")) is None
    assert find_version_option(read_options("  --version NUMBER  of the API\n")) is None


def test_headings_within_the_commands_are_no_commands() -> None:
    assert read_help(URFAVE).names == ("help", "publish", "serve")


def test_a_migration_is_no_seeding() -> None:
    commands = read_help("Commands:\n  migrate  Run migrations\n  seed  Fill\n  serve  Serve\n")
    assert (commands.migrate, commands.prepare, commands.serve) == ("migrate", "seed", ("serve",))


def test_variables_in_texts() -> None:
    text = "The default value for DATABASE_URL is used\nset the environment variable TOKEN\n"
    assert named_variables(text) == ("DATABASE_URL", "TOKEN")
    assert named_variables("ECONNREFUSED from 10.0.0.1; see FAQ") == ()
    section = "Environment variables:\n  PORT   port to listen on\n  LEVEL=info\n\nOther:\n  X\n"
    assert read_variables(section) == {"PORT": "port to listen on", "LEVEL": "info"}
    first = "BASE_URL=http://localhost\nKEY=ab\nnot one\n"
    assert dumped_variables(first, first.replace("ab", "cd")) == (
        Variable("BASE_URL", "its configuration", "http://localhost"),
        Variable("KEY", "its configuration", "ab", True),
    )
    seen = (Variable("NOTE_LOG_LEVEL", "its help"), Variable("LOG_LEVEL", FROM_FILE))
    assert drop_name_ends(seen) == seen[:1]


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("DATABASE_URL", True),
        ("POSTGRES_DSN", True),
        ("FEEDS_DB_URI", True),
        ("DATA_SOURCE_NAME", True),
        ("BASE_URL", False),
        ("DATABASE_URL_FILE", False),
        ("DATABASE_MAX_CONNS", False),
    ],
)
def test_variables_of_a_database(name: str, holds: bool) -> None:
    assert is_database_variable(name) is holds


def test_a_variable_that_is_demanded() -> None:
    needs = Attempt((), "exited", 1, err='Error: "DATABASE_URL is required for this command."')
    assert demanded_variable(needs, {}) == "DATABASE_URL"
    assert demanded_variable(needs, {"DATABASE_URL": "x"}) == ""
    assert demanded_variable(Attempt((), "exited", 1, err="using LOG_LEVEL info"), {}) == ""


@pytest.mark.parametrize(
    "message",
    [
        "the database schema is not up to date: current=v0 expected=v104",
        "Error: pending migrations, run `app migrate` first",
        'pq: relation "users" does not exist',
        "no such table: users",
        "migrations have not been run; migration required",
    ],
)
def test_a_migration_is_wanted(message: str) -> None:
    assert migration_message(Attempt((), "exited", 1, err=message)) == message


@pytest.mark.parametrize(
    "attempt",
    [
        Attempt((), "exited", 1, err="password authentication failed"),
        Attempt((), "exited", 0, out="run migrations with app migrate"),
        Attempt((), "exited", 2, err="Usage: jobs\n\nCommands:\n  migrate  Run migrations\n"),
        Attempt((), "listening", out="no such table: cache (created)"),
    ],
)
def test_no_migration_is_wanted(attempt: Attempt) -> None:
    assert migration_message(attempt) == ""


def test_ways_to_another_address() -> None:
    dump = (
        Variable("LISTEN_ADDR", "its configuration", "127.0.0.1:8080"),
        Variable("METRICS_ALLOWED_HOST", "its configuration", "127.0.0.1"),
    )
    assert [str(choice) for choice in address_choices(read_options(CLAP), dump, 8080)] == [
        "--host 0.0.0.0",
        "LISTEN_ADDR=0.0.0.0:8080",
    ]
    (choice,) = address_choices((), dump, 8080)
    assert choice.given
    assert choice.given.text == "0.0.0.0:{{ listen.port }}"
    unsure = address_choices(read_options("  --listen ADDRESS  where\n"), (), 80)
    assert [choice.args for choice in unsure] == [
        ("--listen", "0.0.0.0:80"),
        ("--listen", "0.0.0.0"),
    ]
    told = read_options("      --http string   TCP address (otherwise - default to 127.0.0.1:80)\n")
    assert [choice.args for choice in address_choices(told, (), 80)] == [("--http", "0.0.0.0:80")]
    assert address_choices(read_options("  --grpc-listen A\n  --database-host H\n"), (), 80) == ()
    assert name_address_ways(read_options(URFAVE), dump) == ("--listen-http", "LISTEN_ADDR")


def test_what_the_file_of_a_program_shows() -> None:
    text = (
        "package libc6\npackage libsqlite3-0\npackage \nmissing libodd.so.2 libodd2\n"
        'missing libnone.so.1 \nvariable DATABASE_URL\nreads os.environ.get("PORT\nreads'
        " getenv('DATABASE_URL\n"
    )
    file = parse_program_file(text)
    assert file.packages == ("libsqlite3-0",)
    assert file.missing == {"libodd.so.2": "libodd2", "libnone.so.1": ""}
    assert file.variables == ("DATABASE_URL", "PORT")
    assert parse_program_file("interpreter python3 python3-minimal\n").packages == ("python3",)
    assert parse_program_file("interpreter lua5.4 lua5.4\n").packages == ("lua5.4",)
