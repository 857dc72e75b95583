"""binary.md, "CLI" and "Files": what it says, how it ends, and what it wants."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from standin_app import App
from standin_postgres import Postgres
from standin_world import EMAIL, MORTAL, World, until

ROOT_REFUSED = "Didn't your mom teach you not to run anything incomprehensible from root?"
DEFAULT = """student_email: test@example.com
postgres_cluster:
  hosts:
  - address: localhost
    port: 5432
  user: postgres
  password: postgres
  db_name: postgres
  ssl_mode: disable
  use_closest_node: false
"""
LOST = "Error: failed Init Core: failed NewDatabase: could not connect to any host from the list\n"


@pytest.fixture
def bare(home: World) -> Iterator[World]:
    """A world with nothing in it, not even a database."""
    made = World()
    yield made
    made.close()


def test_without_argument_it_greets(bare: World) -> None:
    done = bare.run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "Hello world\n", "")


def test_version(bare: World) -> None:
    done = bare.run("version")
    assert (done.returncode, done.stdout) == (0, "20231121T1537\n")


def test_help_lists_the_known_commands_and_no_flag_for_files(bare: World) -> None:
    words = bare.run("--help").stdout
    listed = words.split("Available Commands:\n")[1].split("\n\n")[0]
    commands = [
        "completion",
        "help",
        "prepare_db",
        "print_current_config",
        "print_default_config",
        "run_server",
        "version",
    ]
    assert [line.split()[0] for line in listed.splitlines()] == commands
    for command in ("run_server", "prepare_db"):
        flags = [
            line
            for line in bare.run(command, "--help").stdout.splitlines()
            if line.strip().startswith("-")
        ]
        assert [flag.split()[:2] for flag in flags] == [["-h,", "--help"]]


def test_unknown_command(bare: World) -> None:
    done = bare.run("serve")
    assert done.returncode == 1
    assert 'Error: unknown command "serve"' in done.stderr


def test_default_config_to_the_letter(bare: World) -> None:
    done = bare.run("print_default_config")
    assert (done.returncode, done.stdout) == (0, DEFAULT)


def test_current_config_is_what_the_file_says(bare: World) -> None:
    text = bare.config(
        "someone@example.com", [("10.0.0.1", 5432), ("10.0.0.2", 6432)], password="a:b '#c"
    )
    bare.write("/opt/bingo/config.yaml", text.replace("a:b '#c", '"a:b \'#c"'))
    done = bare.run("print_current_config")
    assert done.returncode == 0
    assert "  - address: 10.0.0.2\n    port: 6432\n" in done.stdout
    bare.write("/opt/bingo/config.yaml", done.stdout)
    assert bare.run("print_current_config").stdout == done.stdout


@pytest.mark.parametrize("arguments", [(), ("version",), ("run_server",)])
def test_root_is_refused(bare: World, arguments: tuple[str, ...]) -> None:
    done = bare.run(*arguments, user="root")
    assert done.returncode == 1
    assert (done.stdout + done.stderr).strip() == ROOT_REFUSED


@pytest.mark.parametrize("command", ["run_server", "prepare_db", "print_current_config"])
@pytest.mark.parametrize("unreadable", [False, True])
def test_no_config_is_a_panic(bare: World, command: str, unreadable: bool) -> None:
    if unreadable:
        bare.write("/opt/bingo/config.yaml", bare.config(), mode=0o600)
    done = bare.run(command)
    assert done.returncode == 2
    assert done.stderr.startswith("panic: failed to read config data\n\ngoroutine 1 [running]:\n")


@pytest.mark.parametrize("unwritable", [False, True])
def test_no_log_directory_is_a_panic_of_the_server(bare: World, unwritable: bool) -> None:
    bare.write("/opt/bingo/config.yaml", bare.config())
    if unwritable:
        bare.log().parent.chmod(0o755)
    done = bare.run("run_server")
    assert done.returncode == 2
    assert done.stderr.startswith("panic: failed to build logger\n\ngoroutine 1 [running]:\n")
    assert unwritable or not bare.path("/opt/bongo").exists(), "it does not make the directory"
    for command in ("prepare_db", "print_current_config"):
        assert "logger" not in bare.run(command).stderr


def test_no_database_is_an_error(bare: World) -> None:
    bare.write(
        "/opt/bingo/config.yaml", bare.config(hosts=[("127.0.0.1", 5432), ("127.0.0.1", 5433)])
    )
    log = bare.log()
    for command in ("run_server", "prepare_db"):
        done = bare.run(command)
        assert (done.returncode, done.stderr) == (1, LOST)
    assert log.parent.name == "567159d622"
    assert log.exists(), "the file is created when its directory is there"


@pytest.mark.parametrize("wrong", ["user: nobody-known", "db_name: nowhere"])
def test_a_database_that_does_not_let_it_in_is_the_same_error(world: World, wrong: str) -> None:
    key = wrong.split(":")[0]
    world.write("/opt/bingo/config.yaml", world.config().replace(f"{key}: bingo", wrong))
    done = world.run("run_server")
    assert (done.returncode, done.stderr) == (1, LOST)


def test_it_is_a_static_elf(bare: World) -> None:
    with open(bare.binary, "rb") as file:
        assert file.read(4) == b"\x7fELF"
    done = subprocess.run(["ldd", bare.binary], capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip()) == (1, "not a dynamic executable")


def test_verified_tls(home: World, pg: Postgres) -> None:
    text = home.config(hosts=[("localhost", 5432)], ssl_mode="verify-full")
    home.log()
    home.write("/opt/bingo/config.yaml", text)
    assert home.run("run_server").stderr == LOST
    with App(home, text, env={"SSL_CERT_FILE": f"{home.folder}/server.crt"}) as app:
        app.ready()
        query = (
            "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename"
            " = 'bingo' AND client_port > 0"
        )
        assert pg.ask(query) == [(True,)]


def test_order_of_the_start(home: World, pg: Postgres) -> None:
    """Configuration, log, database, 8.8.8.8, port; seen as discovery sees it: by strace."""
    log = home.log()
    home.write("/opt/bingo/config.yaml", home.config(email=EMAIL))
    trace = home.folder / "trace"
    trace.touch()
    trace.chmod(0o666)
    calls = ["strace", "-f", "-o", str(trace), "-e", "trace=openat,connect,listen"]
    tracer = subprocess.Popen(
        [*home.argv(), *calls, *MORTAL, home.binary, "run_server"], stdout=subprocess.DEVNULL
    )
    try:
        until(lambda: "listen(" in trace.read_text(), "listening", 20)
    finally:
        [traced] = Path(f"/proc/{tracer.pid}/task/{tracer.pid}/children").read_text().split()
        os.kill(int(traced), signal.SIGTERM)  # strace itself would not pass it on
        tracer.wait(10)
    seen = trace.read_text()
    marks = [
        '"/opt/bingo/config.yaml", O_RDONLY',
        f'"/opt/bongo/logs/{log.parent.name}/main.log", O_WRONLY|O_CREAT|O_APPEND',
        'sin_port=htons(5432), sin_addr=inet_addr("127.0.0.1")',
        'sin_port=htons(80), sin_addr=inet_addr("8.8.8.8")',
        "listen(",
    ]
    places = [seen.find(mark) for mark in marks]
    assert places == sorted(places), seen
    assert -1 not in places, seen
    assert os.stat(log).st_size > 0
