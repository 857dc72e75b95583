"""Discovery on real programs under a real strace: from nothing to serving, and what only a
person can give."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from discovery_sandbox import Sandbox

from fabfile.discovery import Destination, Discovery, Program, Stopped, find_out, host
from fabfile.discovery.report import as_dict, list_settings
from fabfile.engine.errors import RunbookError

ODD = """#!/usr/bin/perl
# A daemon that tells nobody what it wants: a file, a directory, somebody at home, and a port out \
of the file.
use strict; use IO::Socket::INET; use Socket;
$| = 1;
open(my $in, "<", "/srv/odd/odd.json") or die "cannot load settings\\n";
my $text = join("", <$in>);
my ($port) = $text =~ /"port": *(\\d+)/ or die "no port in $text\\n";
open(my $log, ">>", "/srv/odd/state/$port/events.log") or die "no journal\\n";
syswrite($log, "start\\n");
socket(my $friend, PF_INET, SOCK_STREAM, 0);
connect($friend, sockaddr_in(82, inet_aton("198.51.100.1"))) or 1;  # refuses by itself: needs no \
rule
socket(my $home, PF_INET, SOCK_STREAM, 0);
connect($home, sockaddr_in(81, inet_aton("203.0.113.9"))) or print "call home: $!\\n";
my $served = IO::Socket::INET->new(LocalPort => $port, Listen => 5, Type => SOCK_STREAM) or die \
"cannot listen: $!\\n";
print "serving with $text\\n";
while (my $client = $served->accept) { print $client "hello\\n"; close $client }
"""

CLI = """#!/usr/bin/perl
# A program with commands, in the manner of cobra.
use strict; use IO::Socket::INET;
$| = 1;
my %does = (
  version => sub { print "v7\\n" },
  print_default_config => sub { print "listen: 7301\\nstore: 127.0.0.1:5432\\n" },
  start_web => sub {
    open(my $in, "<", "/etc/opt/cli/config.yaml") or do { print STDERR "panic: failed to read \
config data\\n"; exit 2 };
    my ($port, $store) = join("", <$in>) =~ /listen: (\\d+)\\nstore: (\\S+)/ or die "panic: bad \
config\\n";
    IO::Socket::INET->new(PeerAddr => $store) or do { print STDERR "Error: no store\\nUsage:\\n  \
cli start_web\\n"; exit 1 };
    my $served = IO::Socket::INET->new(LocalPort => $port, Listen => 5) or die "cannot listen: \
$!\\n";
    while (my $client = $served->accept) { close $client }
  },
);
if (!@ARGV) { print "Hello world\\n" }
elsif ($ARGV[0] eq "--help") {
  print "Usage:\\n  cli [command]\\n\\nAvailable Commands:\\n";
  print "  $_  \\n" for ("completion", "help", "prepare_db", sort keys %does);
  print "\\nFlags:\\n  -h, --help   help for cli\\n";
}
else { ($does{$ARGV[0]} || sub { print STDERR "Error: unknown command\\n"; exit 1 })->() }
"""
WANTED = '{"port": 7123, "password": "s3cret/pw"}'


@pytest.fixture(scope="module", autouse=True)
def _impatient() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(host, "STALL_SECONDS", 0.4)  # the tests' network answers at once or never
        patch.setattr(host, "SETTLE_SECONDS", 0.2)
        yield


@pytest.fixture
def box() -> Iterator[Sandbox]:
    sandbox = Sandbox()
    yield sandbox
    sandbox.close()


@pytest.fixture(scope="module")
def settled(_impatient: None) -> Iterator[tuple[Sandbox, Discovery]]:
    """A sandbox in which the odd daemon was discovered from nothing; tests leave it as it is."""
    sandbox = Sandbox()
    sandbox.install("/srv/odd.pl", ODD)
    yield sandbox, found(sandbox)
    sandbox.close()


def found(
    box: Sandbox, content: str | None = WANTED, path: str = "/srv/odd.pl", **more: object
) -> Discovery:
    return find_out(
        box, Program(path, "tenant"), content_for=lambda p, d: content, mask=["s3cret/pw"], **more
    )  # type: ignore[arg-type]


def stopped(box: Sandbox, **more: object) -> Stopped:
    with pytest.raises(Stopped) as caught:
        found(box, **more)  # type: ignore[arg-type]
    return caught.value


def wait_for(box: Sandbox, condition: str, seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while box.run(condition, check=False).code:
        assert time.monotonic() < end, condition
        time.sleep(0.05)


@contextmanager
def fail_fast(box: Sandbox) -> Iterator[None]:
    """What the app role sets up in the end: its user's calls to the place that does not answer
    are refused."""
    chain = "add table inet app; add chain inet app out { type filter hook output priority 0; }"
    box.run(
        f"nft '{chain}; add rule inet app out meta skuid tenant ip daddr 203.0.113.9 tcp dport 81"
        " reject with tcp reset'"
    )
    yield
    box.run("nft delete table inet app")


Settled = tuple[Sandbox, Discovery]


def test_a_program_gets_everything_it_wants(settled: Settled) -> None:
    box, discovery = settled
    assert [row.did for row in discovery.trail] == [
        f"created /srv/odd/odd.json (content given, {len(WANTED)} bytes)",
        "created /srv/odd/state/7123/",
        "reject 203.0.113.9:81 for tenant during the attempts",
        "",
    ]
    facts = discovery.facts
    assert (facts.command, facts.ports, facts.config) == (
        (),
        (Destination("0.0.0.0", 7123),),
        "/srv/odd/odd.json",
    )
    assert facts.logs == ("/srv/odd/state/7123/events.log",)
    assert facts.directories == ("/srv/odd/state/7123",)
    assert facts.reject == (Destination("203.0.113.9", 81),)
    assert facts.said
    assert facts.said[0] == "call home: Connection refused"
    rights = box.run(
        "cd /srv/odd; stat -c '%a %U:%G' odd.json state/7123 state/7123/events.log state ."
    ).out.splitlines()
    assert rights == [
        "640 root:tenant",
        "750 tenant:tenant",
        "644 tenant:tenant",
        "755 root:root",
        "755 root:root",
    ]


def test_nothing_stays_behind_and_no_secret_shows(settled: Settled) -> None:
    box, discovery = settled
    assert box.processes() == []
    assert "runbook" not in box.run("nft list tables").out
    assert box.run("ls /tmp").out == ""
    shown = json.dumps(as_dict(discovery)) + str(list_settings(discovery.facts)) + repr(discovery)
    assert "serving with" in shown
    assert "s3cret" not in shown


def test_a_host_that_has_everything_gives_the_same_facts(settled: Settled) -> None:
    box, first = settled
    second = found(box)
    assert second.facts == first.facts
    assert len(second.trail) == 2  # only the rule was gone
    with fail_fast(box):  # the app's own lasting rule makes no difference either
        third = found(box)
    assert third.facts == first.facts
    assert len(third.trail) == 1


def test_a_running_instance_is_not_disturbed(settled: Settled) -> None:
    box, first = settled
    with fail_fast(box):
        box.run(
            "setpriv --reuid=tenant --regid=tenant --init-groups setsid /srv/odd.pl >/dev/null"
            " 2>&1 &"
        )
        wait_for(box, "ss -Hltn 'sport = :7123' | grep -q .")
        before = box.processes()
        second = found(box)
    assert second.facts == first.facts
    assert "odd.pl (pid " in second.occupied
    expected = "It reached its port: its running instance, "
    assert second.trail[-1].concluded.startswith(expected)
    assert second.trail[-1].concluded.endswith(", already holds 0.0.0.0:7123.")
    assert box.processes() == before
    ask = "print IO::Socket::INET->new('127.0.0.1:7123')->getline"
    assert box.run(f'perl -MIO::Socket::INET -e "{ask}"').out == "hello\n"
    box.run(f"kill {second.occupied.partition('pid ')[2].partition(',')[0]}")
    wait_for(box, "! ss -Hltn 'sport = :7123' | grep -q .")


def test_another_configuration_is_shown_to_the_program_not_written(settled: Settled) -> None:
    box, _ = settled
    other = WANTED.replace("7123", "7124")
    with fail_fast(box):
        discovery = found(box, other)
    assert discovery.facts.port == 7124
    assert discovery.facts.logs == ("/srv/odd/state/7124/events.log",)
    assert discovery.facts.config_sha256 == hashlib.sha256(other.encode()).hexdigest()
    assert box.run("cat /srv/odd/odd.json").out == WANTED


def test_a_known_file_is_seen_with_its_wanted_content_from_the_first_attempt(
    settled: Settled,
) -> None:
    box, _ = settled
    other = WANTED.replace("7123", "7125")
    with fail_fast(box):
        discovery = found(box, other, files=("/srv/odd/odd.json",))
    assert not any("wanted" in row.did for row in discovery.trail)
    assert discovery.facts.port == 7125
    assert box.run("cat /srv/odd/odd.json").out == WANTED


def test_a_known_directory_is_made_for_the_program(settled: Settled) -> None:
    box, _ = settled
    with fail_fast(box):
        discovery = found(box, WANTED.replace("7123", "7126"), directories=("/srv/kept/state",))
    assert discovery.facts.port == 7126
    assert box.run("stat -c %U /srv/kept/state").out.strip() == "tenant"


def test_somebody_elses_port_needs_a_person(box: Sandbox) -> None:
    box.install("/srv/odd.pl", ODD)
    fail_fast(box)
    box.run(
        "perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(LocalPort => 7123, Listen => 1);"
        " sleep 60' >/dev/null 2>&1 &"
    )
    wait_for(box, "ss -Hltn 'sport = :7123' | grep -q .")
    with fail_fast(box):
        error = stopped(box)
    assert error.problem.startswith("It wants the port 0.0.0.0:7123, which perl (pid ")
    assert "ss -ltnp" in error.next
    assert error.trail[-1].observed == "exit 98: cannot listen: Address already in use"


def test_commands_are_found_in_the_help(box: Sandbox) -> None:
    box.install("/srv/cli.pl", CLI)
    box.run(
        "perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(LocalPort => 5432, Listen => 9);"
        " sleep 60' >/dev/null 2>&1 &"
    )
    wait_for(box, "ss -Hltn 'sport = :5432' | grep -q .")
    facts = found(box, None, path="/srv/cli.pl").facts
    assert (facts.command, facts.port, facts.config) == (
        ("start_web",),
        7301,
        "/etc/opt/cli/config.yaml",
    )
    assert facts.prepare_command == ("prepare_db",)
    assert facts.default_config_command == ("print_default_config",)
    assert (facts.version_command, facts.version) == (("version",), "v7")
    assert facts.reject == ()
    assert box.run("cat /etc/opt/cli/config.yaml").out == "listen: 7301\nstore: 127.0.0.1:5432\n"


def test_an_absent_database_is_named(box: Sandbox) -> None:
    box.install("/srv/cli.pl", CLI)
    error = stopped(box, content=None, path="/srv/cli.pl", known=[("localhost", 5432)])
    assert (
        error.problem
        == "It wants PostgreSQL at 127.0.0.1:5432, which refuses the connection (ECONNREFUSED); it"
        " prints 'Error: no store'."
    )
    assert error.why == "it does not start without; the address comes from /etc/opt/cli/config.yaml"
    assert error.next.startswith("make 127.0.0.1:5432 answer this host")


def test_a_silent_database_is_waited_for_by_nobody(box: Sandbox) -> None:
    box.install("/srv/odd.pl", ODD)
    error = stopped(box, known=[("203.0.113.9", 81)])
    assert error.problem.startswith(
        "It wants a service at 203.0.113.9:81, which does not answer (packets are dropped"
    )
    assert box.run("nft list tables").out == "table inet outside\n"


def test_errors_of_the_host_have_three_parts(box: Sandbox) -> None:
    box.install("/srv/odd.pl", ODD)
    box.run(
        "mkdir -p /srv/closed/within; cp /srv/odd.pl /srv/closed/within/a.pl; chmod 750 /srv/closed"
    )
    closed = (
        "user tenant cannot execute /srv/closed/within/a.pl on sandbox: the folder /srv/closed is"
        " closed to it"
    )
    for program, seen in (
        (Program("/srv/closed/within/a.pl", "tenant"), closed),
        (Program("/srv/odd.pl", "root"), "root is root"),
        (Program("/srv/odd.pl", "nobody-known"), "sandbox has no user nobody-known"),
        (Program("/srv/none", "tenant"), "user tenant cannot execute /srv/none on sandbox"),
    ):
        with pytest.raises(RunbookError) as caught:
            find_out(box, program, content_for=lambda p, d: None)  # type: ignore[arg-type]
        assert caught.value.problem == seen
        assert caught.value.why
        assert caught.value.next
    box.run("rm /usr/bin/strace")
    with pytest.raises(RunbookError, match="sandbox has no strace"):
        found(box)
