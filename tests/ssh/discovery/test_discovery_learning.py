"""What discovery learns from programs like those that people bring: environment variables, a
migration, an address, a working directory, libraries. Stand-ins for real programs that were run."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from discovery_sandbox import Sandbox

from fabfile.discovery import (
    Destination,
    Discovery,
    GivenValue,
    Program,
    Stopped,
    find_out,
    host,
    learning,
)
from fabfile.discovery.report import as_dict
from fabfile.discovery.skeleton import FoundProgram, write_skeleton
from fabfile.settings.program import Listen
from fabfile.settings.service import HealthPage
from fabfile.settings.service_file import read_service

FEEDS = r"""#!/usr/bin/perl
# Like a Go program with flags, an environment and a migration.
use strict; use IO::Socket::INET;
my ($flag) = @ARGV;
my $url = $ENV{DATABASE_URL} || "user=postgres password=postgres dbname=feeds";
my $listen = $ENV{LISTEN_ADDR} || "127.0.0.1:7410";
if ($flag eq "--help") {
  print STDERR "Usage of feeds:\n  -config-dump\n    \tPrint parsed configuration values\n";
  print STDERR "  -c string\n    \tLoad configuration file\n  -migrate\n    \tRun SQL migrations\n";
  print STDERR "  -version\n    \tShow application version\n";
  exit 0;
}
if ($flag eq "-version") { print "2.2.6\n"; exit 0 }
if ($flag eq "-config-dump") {
  print "BASE_URL=http://localhost\nDATABASE_URL=$url\nLISTEN_ADDR=$listen\nPROXY_KEY=$$\n"; exit 0;
}
print STDERR "The default value for DATABASE_URL is used\n" if !$ENV{DATABASE_URL};
my ($place) = $url =~ m{@([\d.]+:\d+)/};
my $store = IO::Socket::INET->new(PeerAddr => $place || "127.0.0.1:5432")
  or do { print STDERR "dial tcp: connection refused\n"; exit 1 };
if ($flag eq "-migrate") { open(my $done, ">", "/srv/migrated"); exit 0 }
if (!-e "/srv/migrated") {
  print STDERR "the database schema is not up to date: current=v0 expected=v104\n"; exit 1;
}
my $served = IO::Socket::INET->new(LocalAddr => $listen, Listen => 5) or die "cannot listen: $!\n";
sleep 1 while 1;
"""
JOBS = r"""#!/usr/bin/perl
# Like a Rust program: commands, an option with a local default, a variable that it demands.
use strict; use IO::Socket::INET;
my $host = "127.0.0.1";
if (!@ARGV || $ARGV[0] eq "--help") {
  print STDERR "Usage: jobs [OPTIONS] <COMMAND>\n\nCommands:\n  migrate  Run database migrations\n";
  print STDERR "  serve    Start the server\n\nOptions:\n  -V, --version  Print version\n";
  exit(@ARGV ? 0 : 2);
}
if ($ARGV[1] eq "--help") {
  print "Usage: jobs serve [OPTIONS]\n\nOptions:\n      --host <HOST>\n          Host to bind to\n";
  print "          \n          [default: 127.0.0.1]\n\n      --port <PORT>  [default: 7411]\n";
  exit 0;
}
if ($ARGV[0] eq "--version") { print "jobs 0.6.9\n"; exit 0 }
if (!$ENV{DATABASE_URL}) {
  print STDERR "Error: \"DATABASE_URL is required for this command.\"\n"; exit 1;
}
$host = $ARGV[2] if $ARGV[1] eq "--host";
my $served = IO::Socket::INET->new(LocalAddr => "$host:7411", Listen => 5) or die "no: $!\n";
sleep 1 while 1;
"""
FOLDER = r"""#!/usr/bin/perl
# Keeps its data in the folder that it is started in.
use strict; use IO::Socket::INET;
if (!-d "data") { mkdir "data" or die "cannot make data: $!\n" }
open(my $data, ">>", "data/rows") or die "cannot write data/rows: $!\n";
my $served = IO::Socket::INET->new(LocalPort => 7412, Listen => 5);
sleep 1 while 1;
"""
DEAF = r"""#!/usr/bin/perl
# Listens on the loopback interface, whatever it is given.
use IO::Socket::INET;
if ("@ARGV" eq "--help") { print "usage: deaf\n  --bind ADDRESS  where to listen\n"; exit 0 }
my $served = IO::Socket::INET->new(LocalAddr => "127.0.0.1:7413", Listen => 5);
sleep 1 while 1;
"""
PAGES = r"""#!/usr/bin/env python3
import argparse, http.server, os
parser = argparse.ArgumentParser()
parser.add_argument("--bind", default="127.0.0.1", help="an address (default: %(default)s)")
parser.add_argument("--port", type=int, default=int(os.environ.get("PAGES_PORT", "7414")))
given = parser.parse_args()
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        known = self.path == "/livez"
        self.send_response(200 if known else 404)
        self.end_headers()
        self.wfile.write(b"yes\n" if known else b"")
http.server.HTTPServer((given.bind, given.port), Page).serve_forever()
"""
STORE = """perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(LocalPort => 5433, Listen => 9);
sleep 60' >/dev/null 2>&1 & for _ in $(seq 50); do ss -Hltn 'sport = :5433' | grep -q . && break;
sleep 0.1; done"""
URL = GivenValue("postgres://feeds:s3cret@127.0.0.1:5433/feeds", "{{ database.url }}")


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    monkeypatch.setattr(host, "STALL_SECONDS", 0.4)
    monkeypatch.setattr(host, "SETTLE_SECONDS", 0.2)
    monkeypatch.setattr(learning, "HELP_SECONDS", 2)
    sandbox = Sandbox()
    yield sandbox
    sandbox.close()


def found(
    box: Sandbox,
    text: str,
    *,
    url: GivenValue | None = None,
    ask_pages: bool = False,
    **more: object,
) -> Discovery:
    box.install("/srv/program", text)
    return find_out(
        box,  # type: ignore[arg-type]
        Program("/srv/program", "tenant", **more),  # type: ignore[arg-type]
        content_for=lambda path, default: None,
        value_for=lambda name: url if name == "DATABASE_URL" else None,
        mask=["s3cret"],
        ask_pages=ask_pages,
    )


def stopped(box: Sandbox, text: str, *, url: GivenValue | None = None) -> Stopped:
    with pytest.raises(Stopped) as caught:
        found(box, text, url=url)
    return caught.value


def test_flags_an_environment_and_a_migration(box: Sandbox) -> None:
    """Without a database, with an empty one, and after the migration."""
    error = stopped(box, FEEDS)
    assert error.next == (
        "start the service at 127.0.0.1:5432 or correct DATABASE_URL in its environment, then run"
        " the same command again"
    )
    values = {variable.name: variable for variable in error.hints.variables}
    assert values["LISTEN_ADDR"].value == "127.0.0.1:7410"
    assert [name for name in values if values[name].random] == ["PROXY_KEY"]
    assert error.hints.migrate_command == ("-migrate",)
    assert (error.hints.version_command, error.hints.version) == (("-version",), "2.2.6")
    assert error.hints.reads_database
    assert error.hints.packages == ("perl",)

    box.run(STORE)
    error = stopped(box, FEEDS, url=URL)
    assert [row.did for row in error.trail] == ["set DATABASE_URL", ""]
    assert error.problem == (
        "It wants a migration: it ends with exit 1, printing 'the database schema is not up to"
        " date: current=v0 expected=v104'."
    )
    assert error.next.startswith('write command = ["-migrate"], which its help offers, into')
    assert error.hints.wants_migration.startswith("the database schema is not up to date")

    box.run("touch /srv/migrated")
    discovery = found(box, FEEDS, url=URL)
    assert discovery.trail[1].concluded.startswith(
        "It serves: it listens at 127.0.0.1:7410 only: no edge would reach it"
    )
    assert discovery.trail[-1].concluded == (
        "Tried LISTEN_ADDR=0.0.0.0:7410: other hosts can reach it."
    )
    assert discovery.facts.ports == (Destination("0.0.0.0", 7410),)
    assert discovery.facts.migrate_command == ("-migrate",)
    assert discovery.hints.environment == {
        "DATABASE_URL": "{{ database.url }}",
        "LISTEN_ADDR": "0.0.0.0:{{ listen.port }}",
    }
    assert "s3cret" not in repr(discovery) + str(as_dict(discovery))


def test_commands_with_options_of_their_own(box: Sandbox) -> None:
    error = stopped(box, JOBS)
    assert error.problem.startswith("It asks for the environment variable DATABASE_URL: it ends")
    assert error.next.startswith("write DATABASE_URL into environment of [start] in the service")
    discovery = found(box, JOBS, url=URL)
    assert discovery.facts.command == ("serve", "--host", "0.0.0.0")
    assert discovery.facts.migrate_command == ("migrate",)
    assert discovery.facts.prepare_command is None  # a migration is no seeding
    assert discovery.facts.version == "jobs 0.6.9"


def test_what_an_environment_holds_is_in_no_argument(box: Sandbox) -> None:
    box.install("/srv/program", "#!/usr/bin/perl\nsleep 1 while 1;\n")
    program = Program("/srv/program", "tenant", environment={"TOKEN": "it's s3cret"})
    waiting = host.ProgramHost(box, program, str)  # type: ignore[arg-type]
    script = waiting.build_script((), deadline=9, rejects=(), shadows={})
    with subprocess.Popen(
        box.shell(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as shell:
        assert shell.stdin
        shell.stdin.write(box.guarded(script).encode())
        shell.stdin.close()
        pid = "pgrep -u tenant -x program"
        end = time.monotonic() + 8
        while not (seen := box.run(pid, check=False).out.strip()) and time.monotonic() < end:
            assert not any("s3cret" in line for line in box.processes())
        environment = box.run(f"tr '\\0' '\\n' </proc/{seen}/environ").out.splitlines()
        assert not any("s3cret" in line for line in box.processes())
        box.run(f"kill {seen}")
        shell.stdout.read()  # type: ignore[union-attr]
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    names = ["USER=tenant", "LOGNAME=tenant", "HOME=/home/tenant", "LANG=C.UTF-8"]
    assert sorted(environment) == sorted([path, *names, "TOKEN=it's s3cret"])


def test_a_program_that_writes_into_its_working_directory(box: Sandbox) -> None:
    discovery = found(box, FOLDER)
    assert discovery.trail[0].concluded.startswith(
        "It uses data of its working directory, which is not there, and ends with exit 13"
    )
    assert discovery.trail[0].did == "start it in /var/lib/tenant"
    assert discovery.facts.started_in == "/var/lib/tenant"
    assert discovery.facts.directories == ("/var/lib/tenant", "/var/lib/tenant/data")
    again = found(box, FOLDER, directory="/srv/kept")
    assert again.facts.started_in == "/srv/kept"
    assert box.run("stat -c '%a %U' /srv/kept").out == "750 tenant\n"


def test_an_address_that_cannot_be_changed_needs_a_person(box: Sandbox) -> None:
    error = stopped(box, DEAF)
    assert error.problem.startswith(
        "It listens at 127.0.0.1:7413 only: no edge would reach it; it still does with --bind"
        " 0.0.0.0"
    )
    assert "[start] in the service file" in error.next


def test_a_server_in_python(box: Sandbox, tmp_path: Path) -> None:
    """What is found is a service file that the reader takes as it is."""
    discovery = found(box, PAGES, ask_pages=True)
    assert discovery.facts.command == ("--bind", "0.0.0.0")
    assert discovery.facts.ports == (Destination("0.0.0.0", 7414),)
    assert [variable.name for variable in discovery.hints.variables] == ["PAGES_PORT"]
    assert discovery.hints.packages == ("python3",)
    seen = {page.path: (page.status, page.body) for page in discovery.hints.pages}
    assert seen["/livez"] == (200, "yes\n")
    assert seen["/"] == (404, "")
    written = write_skeleton("pages", "pages", FoundProgram(discovery.hints, discovery.facts))
    for name, text in written.items():
        (tmp_path / name).write_text(text)
    service = read_service(tmp_path)
    assert service.start.command == ("--bind", "0.0.0.0")
    assert service.listen == Listen(port=7414)
    assert service.health.live == HealthPage(path="/livez", body="yes")
    assert [(one.name, one.path) for one in service.endpoints] == [("live", "/livez")]


def test_a_library_that_is_missing(box: Sandbox) -> None:
    library = r"ldd /srv/program | sed -n 's/.*=> \(.*nftables[^ ]*\).*/\1/p'"
    box.run(f"cp $(command -v nft) /srv/program; rm $({library})")
    with pytest.raises(Stopped) as caught:
        find_out(box, Program("/srv/program", "tenant"), content_for=lambda p, d: None)  # type: ignore[arg-type]
    assert caught.value.problem.startswith(
        "It needs libnftables.so.1, which this host lacks: it ends with exit 127"
    )
    assert caught.value.hints.missing_libraries == ("libnftables.so.1",)
