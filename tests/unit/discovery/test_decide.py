"""What follows from an attempt: pure cases, each with the sentence that is shown."""

from __future__ import annotations

import textwrap
from dataclasses import replace

import pytest

from fabfile.discovery.actions import (
    Action,
    CreateDirectory,
    CreateFile,
    NeedsHuman,
    RejectOutbound,
    RunAgain,
    Serving,
    UseCommand,
)
from fabfile.discovery.decide import SearchState, decide_action
from fabfile.discovery.help_text import Commands
from fabfile.discovery.model import Attempt, Destination, PortHolder, Program
from fabfile.discovery.strace import parse_trace

STATE = SearchState(Program("/srv/film", "tenant"), Commands())
AWAY = Destination("203.0.113.9", 80)
NO_CONFIG = (
    'openat(AT_FDCWD</>, "/opt/film/config.yaml", O_RDONLY|O_CLOEXEC) = -1 ENOENT (No such file or'
    " directory)"
)
CONFIG = (
    'openat(AT_FDCWD</>, "/opt/film/config.yaml", O_RDONLY|O_CLOEXEC) = 3</opt/film/config.yaml>'
)
NO_PASS = (
    'openat(AT_FDCWD</>, "/home/tenant/.pgpass", O_RDONLY|O_CLOEXEC) = -1 ENOENT (No such file or'
    " directory)"
)
NO_LOG = (
    'openat(AT_FDCWD</>, "/opt/log/ab12/main.log", O_WRONLY|O_CREAT|O_APPEND, 0644) = -1 ENOENT (No'
    " such file)"
)


def connect(to: str, port: int, result: str, socket: int = 1) -> str:
    return (
        f"connect(3<socket:[{socket}]>, "
        f'{{sa_family=AF_INET, sin_port=htons({port}), sin_addr=inet_addr("{to}")}}, 16) = {result}'
    )


def bind(port: int, result: str) -> str:
    return (
        f"bind(4<socket:[9]>, {{sa_family=AF_INET6, sin6_port=htons({port}),"
        " sin6_flowinfo=htonl(0), "
        f'inet_pton(AF_INET6, "::", &sin6_addr), sin6_scope_id=0}}, 28) = {result}'
    )


def ended(
    code: int, err: str = "", *calls: str, out: str = "", args: tuple[str, ...] = ()
) -> Attempt:
    events = parse_trace(f"7 {100 + n}.0 {call}" for n, call in enumerate(calls))
    return Attempt(args, "exited", code, 0.1, tuple(events), out, err)


REFUSED = "-1 ECONNREFUSED (Connection refused)"
COMMANDS = Commands(("help", "run_server", "start", "version"), serve=("run_server", "start"))

CASES: dict[str, tuple[Attempt, SearchState, Action]] = {
    "a file whose absence kills": (
        ended(
            2, "panic: failed to read config data\n\ngoroutine 1 [running]:\nmain.main()", NO_CONFIG
        ),
        STATE,
        CreateFile(
            "It opens /opt/film/config.yaml, which does not exist, and ends with exit 2, "
            "printing 'panic: failed to read config data'.",
            "/opt/film/config.yaml",
        ),
    ),
    "the directory of a log": (
        ended(2, "panic: failed to build logger", CONFIG, NO_LOG),
        STATE,
        CreateDirectory(
            "It creates /opt/log/ab12/main.log, but there is no directory /opt/log/ab12; it ends"
            " with exit 2, printing 'panic: failed to build logger'.",
            "/opt/log/ab12",
        ),
    ),
    "the directory of a database file, which SQLite then opens for reading": (
        ended(
            1,
            "FATAL unable to open database file",
            'openat(AT_FDCWD</>, "/var/lib/post/cache.db", O_RDWR|O_CREAT, 0644) = -1 ENOENT (No'
            " such file or directory)",
            'openat(AT_FDCWD</>, "/var/lib/post/cache.db", O_RDONLY) = -1 ENOENT (No such file or'
            " directory)",
        ),
        STATE,
        CreateDirectory(
            "It creates /var/lib/post/cache.db, but there is no directory /var/lib/post; it ends"
            " with exit 1, printing 'FATAL unable to open database file'.",
            "/var/lib/post",
        ),
    ),
    "a log in a directory that is not its own": (
        ended(
            1,
            "cannot log",
            'openat(AT_FDCWD</>, "/var/log/x.log", O_WRONLY|O_CREAT, 0644) = -1 EACCES (Permission'
            " denied)",
        ),
        STATE,
        CreateFile(
            "It may not write /var/log/x.log, and ends with exit 1, printing 'cannot log'.",
            "/var/log/x.log",
            True,
        ),
    ),
    "a directory it changes into": (
        ended(1, "", 'chdir("/srv/data") = -1 ENOENT (No such file or directory)'),
        STATE,
        CreateDirectory(
            "It wants the directory /srv/data, which does not exist, and ends with exit 1 without a"
            " message.",
            "/srv/data",
        ),
    ),
    "the directory of a unix socket": (
        ended(
            1,
            "",
            'bind(3, {sa_family=AF_UNIX, sun_path="/run/film/sock"}, 18) = -1 ENOENT (No such file'
            " or directory)",
        ),
        STATE,
        CreateDirectory(
            "It creates /run/film/sock, but there is no directory /run/film; it ends with exit 1"
            " without a message.",
            "/run/film",
        ),
    ),
    "the directory above a new directory": (
        ended(1, "", 'mkdir("/srv/a/b", 0755) = -1 ENOENT (No such file or directory)'),
        STATE,
        CreateDirectory(
            "It creates /srv/a/b, but there is no directory /srv/a; it ends with exit 1 without a"
            " message.",
            "/srv/a",
        ),
    ),
    "a file it only looked at, but names": (
        ended(
            1,
            "no licence at /srv/licence.key",
            'access("/srv/licence.key", R_OK) = -1 ENOENT (No such file or directory)',
        ),
        STATE,
        CreateFile(
            "It opens /srv/licence.key, which does not exist, and ends with exit 1, printing 'no"
            " licence at /srv/licence.key'.",
            "/srv/licence.key",
        ),
    ),
    "a greeting and commands": (
        ended(0, out="Hello world\n"),
        replace(STATE, commands=COMMANDS),
        UseCommand(
            "It prints 'Hello world' and ends: of the commands in its help, 'run_server' most"
            " likely serves.",
            ("run_server",),
        ),
    ),
    "a usage text and exit 2": (
        ended(
            2,
            "usage: film {serve,version}\nfilm: error: the following arguments are required:"
            " command",
        ),
        replace(STATE, commands=Commands(("serve", "version"), serve=("serve",))),
        UseCommand(
            "It prints its usage and ends: of the commands in its help, 'serve' most likely"
            " serves.",
            ("serve",),
        ),
    ),
    "usage shown after an error of the serving command is no reason to change it": (
        ended(1, "Error: bad mood\nUsage:\n  film run_server", args=("run_server",)),
        replace(STATE, commands=COMMANDS, tried=frozenset({"run_server"}), retried=True),
        NeedsHuman(
            "It ends with exit 1, printing 'Error: bad mood'.",
            "nothing that can be created for it is missing",
            "run it by hand as tenant and read its output, then run the same command again",
        ),
    ),
    "a serving command that ends with 0 twice": (
        ended(0, args=("run_server",)),
        replace(STATE, commands=COMMANDS, tried=frozenset({"run_server"}), retried=True),
        UseCommand(
            "It prints nothing and ends: of the commands in its help, 'start' most likely serves.",
            ("start",),
        ),
    ),
    "commands, but none that serves": (
        ended(0, out="Hi"),
        replace(STATE, commands=Commands(("import", "help"))),
        NeedsHuman(
            "It prints 'Hi' and ends; none of its commands seems to serve: import, help.",
            "it needs a command to serve",
            "give the command to run as the program's arguments",
        ),
    ),
    "a call nobody answers": (
        Attempt((), "stalled", seconds=2.1, stalled=AWAY),
        STATE,
        RejectOutbound(
            "It waits for an answer from 203.0.113.9:80 that does not come: make this call fail at"
            " once.",
            AWAY,
        ),
    ),
    "the database does not answer": (
        Attempt((), "stalled", seconds=2.1, stalled=AWAY, err="connecting"),
        replace(STATE, known=frozenset({AWAY})),
        NeedsHuman(
            "It wants a service at 203.0.113.9:80, which does not answer (packets are dropped on"
            " the way, or the host is down); it prints 'connecting'.",
            "it does not start without",
            "make 203.0.113.9:80 answer this host (fab deploy sets the database up first), then run"
            " the same command again",
        ),
    ),
    "a rejected call that still waits": (
        Attempt((), "stalled", seconds=2.1, stalled=AWAY),
        replace(STATE, rejected=frozenset({AWAY})),
        NeedsHuman(
            "It still waits for 203.0.113.9:80 although calls to it are rejected.",
            "it would wait at every start",
            "run `nft list ruleset` on the host: another rule comes first",
        ),
    ),
    "a refused database, though a file was missing before": (
        ended(
            1,
            "Error: could not connect to any host",
            CONFIG,
            NO_PASS,
            connect("10.0.0.5", 5432, REFUSED),
        ),
        STATE,
        NeedsHuman(
            "It wants PostgreSQL at 10.0.0.5:5432, which refuses the connection (ECONNREFUSED); "
            "it prints 'Error: could not connect to any host'.",
            "it does not start without; the address comes from /opt/film/config.yaml",
            "start the service at 10.0.0.5:5432 or correct the address in /opt/film/config.yaml,"
            " then run the same command again",
        ),
    ),
    "a file that is missing after a refused call": (
        ended(1, "", connect("203.0.113.9", 80, REFUSED), NO_CONFIG),
        STATE,
        CreateFile(
            "It opens /opt/film/config.yaml, which does not exist, and ends with exit 1 without a"
            " message.",
            "/opt/film/config.yaml",
        ),
    ),
    "a wrong password: files it did without before are not created": (
        ended(
            1,
            "Error: password authentication failed",
            CONFIG,
            NO_PASS,
            connect("10.0.0.5", 5432, "0"),
        ),
        replace(STATE, retried=True),
        NeedsHuman(
            "It reaches PostgreSQL at 10.0.0.5:5432, and then ends with exit 1, printing 'Error:"
            " password authentication failed'.",
            "the service probably rejected it: check user, password, database name and number of"
            " connections",
            "read the log of PostgreSQL on 10.0.0.5, correct it, then run the same command again",
        ),
    ),
    "a configuration it cannot use": (
        ended(1, "Error: unknown key", CONFIG, NO_PASS),
        replace(STATE, retried=True, ruled_out=frozenset({"/home/tenant/.pgpass"})),
        NeedsHuman(
            "It ends with exit 1, printing 'Error: unknown key'.",
            "nothing that can be created for it is missing",
            "correct /opt/film/config.yaml, which it reads, then run the same command again",
        ),
    ),
    "its own running instance": (
        replace(
            ended(
                1,
                "bind: address already in use",
                bind(7000, "-1 EADDRINUSE (Address already in use)"),
            ),
            holder=PortHolder(41, "film", "tenant", "film.service", True),
        ),
        STATE,
        Serving(
            "It reached its port: its running instance, film.service (pid 41, user tenant), already"
            " holds [::]:7000.",
            (Destination("::", 7000),),
            "film.service (pid 41, user tenant)",
        ),
    ),
    "somebody else's port": (
        replace(
            ended(
                1,
                "bind: address already in use",
                bind(7000, "-1 EADDRINUSE (Address already in use)"),
            ),
            holder=PortHolder(41, "nginx", "root", "nginx.service", False),
        ),
        STATE,
        NeedsHuman(
            "It wants the port [::]:7000, which nginx.service (pid 41, user root) holds.",
            "two processes cannot serve at one port, and discovery cannot choose another",
            "stop or move what listens there (ss -ltnp 'sport = :7000'), then run the same command"
            " again",
        ),
    ),
    "a port below 1024": (
        ended(1, "bind: permission denied", bind(80, "-1 EACCES (Permission denied)")),
        STATE,
        NeedsHuman(
            "It wants the port [::]:80, which user tenant may not open.",
            "ports below 1024 need a privilege",
            "configure a higher port, or write port_below_1024 = true into [start.sandbox] of the"
            " service file",
        ),
    ),
    "an end without a reason": (
        ended(0),
        STATE,
        RunAgain(
            "It ends with exit 0 without a message, and nothing that it needs is missing: try once"
            " more."
        ),
    ),
    "a signal": (
        ended(139),
        replace(STATE, retried=True),
        NeedsHuman(
            "It ends with SIGSEGV without a message.",
            "nothing that can be created for it is missing",
            "run it by hand as tenant and read its output, then run the same command again",
        ),
    ),
    "what was put there does not do": (
        ended(
            1,
            "cannot parse /srv/key.pem",
            'openat(AT_FDCWD</>, "/srv/key.pem", O_RDONLY) = 3</srv/key.pem>',
        ),
        replace(STATE, ruled_out=frozenset({"/srv/key.pem"}), retried=True),
        NeedsHuman(
            "It wants something in /srv/key.pem that only a person can give: it ends with exit 1, "
            "printing 'cannot parse /srv/key.pem'.",
            "the content that discovery put there was not enough",
            "put the right content at /srv/key.pem, then run the same command again",
        ),
    ),
    "only a unix socket": (
        replace(
            ended(0, "", 'bind(3, {sa_family=AF_UNIX, sun_path="/run/x"}, 9) = 0'),
            outcome="deadline",
            seconds=45.0,
        ),
        STATE,
        NeedsHuman(
            "It has run for 45 s and opened no TCP port (only /run/x).",
            "there is nothing to send requests to",
            "run it by hand as tenant and read its output",
        ),
    ),
    "serving": (
        Attempt(
            (),
            "listening",
            seconds=0.3,
            ports=(Destination("::", 7000), Destination("127.0.0.1", 7001)),
        ),
        STATE,
        Serving(
            "It serves: it listens at [::]:7000 and 127.0.0.1:7001, 0.3 s after its start.",
            (Destination("::", 7000), Destination("127.0.0.1", 7001)),
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_judge(name: str) -> None:
    attempt, state, action = CASES[name]
    assert decide_action(attempt, state) == action


SYSTEM_FILES = """
    openat(AT_FDCWD</>, "/etc/nsswitch.conf", O_RDONLY) = -1 ENOENT (No such file or directory)
    openat(AT_FDCWD</>, "/etc/ld.so.preload", O_RDONLY) = -1 ENOENT (No such file or directory)
    openat(AT_FDCWD</>, "/usr/share/zoneinfo/UTC", O_RDONLY) = -1 ENOENT (No such file or directory)
    openat(AT_FDCWD</>, "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", O_RDONLY) = -1 \
ENOENT (No such file)
    openat(AT_FDCWD</>, "/proc/self/mountinfo2", O_RDONLY) = -1 ENOENT (No such file or directory)
    openat(AT_FDCWD</>, "/run/userdb/x.user", O_RDONLY) = -1 ENOENT (No such file or directory)
    connect(3<socket:[1]>, {sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"}, 110) = -1 ENOENT \
(No such file)
    connect(3<socket:[2]>, {sa_family=AF_UNIX, sun_path="/dev/log"}, 110) = -1 ENOENT (No such \
file or directory)
"""


def test_the_systems_own_files_and_sockets_are_never_to_blame() -> None:
    calls = textwrap.dedent(SYSTEM_FILES).strip().splitlines()
    assert isinstance(decide_action(ended(1, "", *calls), replace(STATE, retried=True)), NeedsHuman)
