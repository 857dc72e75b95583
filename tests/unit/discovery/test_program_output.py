"""What is read out of help texts, last words, paths and the serving run; facts as JSON; the
tables."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from fabfile.discovery import report
from fabfile.discovery.facts import gather_facts, refused_calls
from fabfile.discovery.help_text import Commands, read_help
from fabfile.discovery.learning import ProgramHelp
from fabfile.discovery.model import Attempt, Destination, Discovery, Facts, Program, TrailRow
from fabfile.discovery.output import (
    is_help,
    last_words,
    notable_lines,
    same_but_numbers,
    secret_masker,
)
from fabfile.discovery.paths import config_rank, is_shared, is_system
from fabfile.discovery.strace import parse_trace
from fabfile.engine.secret import MASK

COBRA = """hello

Usage:
   [flags]
   [command]

Available Commands:
  completion           Generate the autocompletion script for the specified shell
  help                 Help about any command
  prepare_db           Prepare database
  print_current_config Print current config
  print_default_config Print default config
  run_server           Run server
  version              Print version

Flags:
  -h, --help   help for this command
"""
ARGPARSE = """usage: app [-h] {worker,serve,migrate,config-example} ...

positional arguments:
  {worker,serve,migrate,config-example}
    worker              start a background worker
    serve               answer requests

options:
  -h, --help            show this help message and exit
"""
CLAP = """A store

Usage: store <COMMAND>

Commands:
  start    Start the daemon
  seed     Fill the database
  help     Print this message
"""


@pytest.mark.parametrize(
    ("text", "serve", "prepare", "default", "version"),
    [
        (COBRA, ("run_server",), "prepare_db", "print_default_config", "version"),
        (ARGPARSE, ("serve",), None, "config-example", None),
        (CLAP, ("start",), "seed", None, None),
        (
            "usage: darkhttpd /path/to/wwwroot [flags]\n\nflags:\t--port number\n",
            (),
            None,
            None,
            None,
        ),
    ],
)
def test_help(
    text: str, serve: tuple[str, ...], prepare: str | None, default: str | None, version: str | None
) -> None:
    found = read_help(text)
    assert (found.serve[:1], found.prepare, found.default_config, found.version) == (
        serve,
        prepare,
        default,
        version,
    )
    assert is_help(text)


@pytest.mark.parametrize(
    ("out", "err", "said"),
    [
        ("Hello world\n", "", "Hello world"),
        (
            "",
            (
                "panic: failed to build logger\n\ngoroutine 1 [running]:\nmain.main()\n\t/a/b.go:7"
                " +0x1d\n"
            ),
            "panic: failed to build logger",
        ),
        ("starting\n", "Error: no store\nUsage:\n  app serve\n", "Error: no store"),
        ("2026/11/24 02:21:53 [emerg] bind() failed\nbye\n", "", "[emerg] bind() failed"),
        ('{"level":"error","msg":"x"}\nready\n', "", "ready"),
        ("", "", ""),
    ],
)
def test_last_words(out: str, err: str, said: str) -> None:
    assert last_words(out, err) == said


def test_secrets_are_masked_in_every_spelling() -> None:
    clean = secret_masker(['p@ss/w"ord', ""])
    for text in ('p@ss/w"ord', "postgres://u:p%40ss%2Fw%22ord@db", 'p@ss/w\\"ord'):
        assert MASK in clean(text)
        assert "ss/w" not in clean(text)
    assert clean("plain") == "plain"


def test_sameness_does_not_look_at_numbers() -> None:
    assert same_but_numbers("170:C error at 02:21", "999:C error at 03:59")
    assert not same_but_numbers("error in a", "error in b")
    assert notable_lines("a\na\n-------\nb\n") == ["a", "b"]


def test_paths() -> None:
    assert all(
        map(
            is_system,
            (
                "/proc/self/stat",
                "/usr/share/x",
                "/etc/ssl/certs/a.pem",
                "/lib64/libc.so.6",
                "/etc/hosts",
            ),
        )
    )
    assert not any(
        map(
            is_system,
            ("/etc/app.conf", "/usr/local/etc/app.conf", "/opt/x", "/library/x", "/var/log/x"),
        )
    )
    ranked = sorted(("/etc/lab.conf", "/opt/x/config.yaml", "/opt/x/data.bin"), key=config_rank)
    assert ranked == ["/opt/x/data.bin", "/etc/lab.conf", "/opt/x/config.yaml"]
    assert all(map(is_shared, ("/", "/var/log", "/tmp", "/run")))
    assert not any(map(is_shared, ("/var/log/app", "/opt/x")))


SERVED = """\
1 1.0 openat(AT_FDCWD</>, "/etc/lab.conf", O_RDONLY) = 3</etc/lab.conf>
1 1.1 openat(AT_FDCWD</>, "/opt/x/config.yaml", O_RDONLY) = 3</opt/x/config.yaml>
1 1.2 openat(AT_FDCWD</>, "/opt/log/ab/main.log", O_WRONLY|O_CREAT|O_APPEND, 0644) = \
3</opt/log/ab/main.log>
1 1.3 openat(AT_FDCWD</>, "/var/log/all.log", O_WRONLY|O_CREAT|O_APPEND, 0644) = 3</var/log/all.log>
1 1.3 openat(AT_FDCWD</>, "/tmp/x-1234/lib.so", O_WRONLY|O_CREAT, 0755) = 3</tmp/x-1234/lib.so>
1 1.4 connect(4<socket:[1]>, {sa_family=AF_INET, sin_port=htons(5432), \
sin_addr=inet_addr("10.0.0.5")}, 16) = 0
1 1.5 connect(4<socket:[2]>, {sa_family=AF_INET, sin_port=htons(80), \
sin_addr=inet_addr("203.0.113.9")}, 16) = -1 ECONNREFUSED (x)
1 1.6 connect(4<socket:[3]>, {sa_family=AF_INET, sin_port=htons(99), \
sin_addr=inet_addr("10.0.0.6")}, 16) = -1 ECONNREFUSED (x)
1 1.7 connect(4<socket:[5]>, {sa_family=AF_INET, sin_port=htons(80), \
sin_addr=inet_addr("127.0.0.1")}, 16) = -1 ECONNREFUSED (x)
"""


def served() -> Facts:
    attempt = Attempt(
        ("run",), "listening", 0, 0.4, tuple(parse_trace(SERVED.splitlines())), out="ready\n"
    )
    return gather_facts(
        attempt,
        Program("/srv/x", "tenant"),
        ProgramHelp(Commands(("run", "prepare"), ("run",), prepare="prepare"), version="7"),
        ports=[Destination("::", 7000)],
        reject=[Destination("203.0.113.9", 80)],
        binary_sha256="b" * 64,
        config_sha256="c" * 64,
    )


def test_facts_of_a_serving_run() -> None:
    found = served()
    assert (found.config, found.files) == ("/opt/x/config.yaml", ("/etc/lab.conf",))
    assert found.logs == ("/opt/log/ab/main.log", "/var/log/all.log")
    # /var/log belongs to everybody, and what is in /tmp is made anew at each start.
    assert found.directories == ("/opt/log/ab",)
    assert found.reject == (Destination("203.0.113.9", 80),)
    assert refused_calls(parse_trace(SERVED.splitlines())) == (
        ("203.0.113.9", 80),
        ("10.0.0.6", 99),
    )  # this host itself is left out
    assert found.calls == (Destination("10.0.0.5", 5432),)
    assert found.prepare_command == ("prepare",)
    assert found.port == 7000


def test_facts_survive_json_and_depend_on_binary_and_configuration() -> None:
    found = served()
    again = Facts.from_json(json.loads(json.dumps(found.to_json())))
    assert again == found
    assert (again.said, again.seconds) == (("ready",), 0.4)
    assert again.identity == found.identity
    changed = Facts.from_json({**found.to_json(), "config_sha256": "d" * 64})
    assert changed.identity != found.identity
    with pytest.raises((TypeError, KeyError)):
        Facts.from_json({"port": 1})


def test_the_tables_show_the_trail_and_the_settings() -> None:
    row = TrailRow(
        1,
        "x run",
        "exit 2: panic: [red]no[/red]",
        "It opens /opt/x/config.yaml.",
        "created it",
        0.31,
    )
    out = io.StringIO()
    report.show_discovery(
        Console(file=out, width=140), Discovery(served(), (row,), "x.service (pid 7, user tenant)")
    )
    text = out.getvalue()
    for part in (
        "panic: [red]no[/red]",
        "It opens /opt/x/config.yaml.",
        "0.3",
        "[::]:7000",
        "x.service (pid 7",
        "203.0.113.9:80",
    ):
        assert part in text
    data = json.loads(json.dumps(report.as_dict(Discovery(served(), (row,)))))
    assert data["facts"]["ports"] == [["::", 7000]]
    assert data["trail"][0]["number"] == 1
