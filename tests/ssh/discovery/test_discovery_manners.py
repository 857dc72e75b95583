"""Discovery's manners: it ends what it started, takes back what was in vain, and survives
programs that have none."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from discovery_sandbox import Sandbox

from fabfile.discovery import Destination, Program, Stopped, find_out, host, learning
from fabfile.engine.errors import RunbookError

DAEMON = """#!/usr/bin/perl
# Goes into the background like an old Unix daemon and does not hear SIGTERM.
use strict; use IO::Socket::INET; use POSIX;
exit 0 if fork; POSIX::setsid(); exit 0 if fork;
$SIG{TERM} = "IGNORE";
my $served = IO::Socket::INET->new(LocalPort => 7200, Listen => 5);
sleep 1 while 1;
"""
WAITS = """#!/usr/bin/perl
sleep 1 while 1;
"""
CLAIMS = """#!/usr/bin/perl
# Looks for a file it does not need; what it really wants cannot be created.
open(my $in, "<", "/srv/claims/optional.ini");
print STDERR "Error: the licence is not valid\\n";
exit 3;
"""
MOODY = """#!/usr/bin/perl
# Ends without a message the first time.
use IO::Socket::INET;
exit 0 if !-e "/tmp/mood" && open(my $mood, ">", "/tmp/mood");
my $served = IO::Socket::INET->new(LocalPort => 7201, Listen => 5);
sleep 1 while 1;
"""
CLOSED = """#!/usr/bin/perl
open(my $in, "<", "/srv/closed.yaml") or die "cannot open its config: $!\\n";
"""


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    monkeypatch.setattr(host, "SETTLE_SECONDS", 0.2)
    monkeypatch.setattr(learning, "HELP_SECONDS", 1)
    sandbox = Sandbox()
    yield sandbox
    sandbox.close()


def program(box: Sandbox, text: str) -> Program:
    box.install("/srv/program.pl", text)
    return Program("/srv/program.pl", "tenant")


def test_the_script_is_clean() -> None:
    checker = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([checker, "--shell=sh", host.ATTEMPT], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_daemon_that_hides_and_does_not_listen_is_ended(box: Sandbox) -> None:
    found = find_out(box, program(box, DAEMON), content_for=lambda p, d: None)  # type: ignore[arg-type]
    assert found.facts.port == 7200
    assert box.processes() == []


@pytest.mark.parametrize("how", ["the connection goes", "the shell is ended"])
def test_an_interrupted_attempt_cleans_up(box: Sandbox, how: str) -> None:
    """The controller or the connection may go away at any moment; the script on the host ends
    properly by itself."""
    waiting = host.ProgramHost(box, program(box, WAITS), str)  # type: ignore[arg-type]
    script = waiting.build_script(
        (), deadline=30, rejects=[Destination("203.0.113.9", 81)], shadows={}
    )
    shell = subprocess.Popen(
        box.shell(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert shell.stdin
    assert shell.stdout
    shell.stdin.write(box.guarded(script).encode())
    shell.stdin.close()
    until(lambda: any(line.startswith("/usr/bin/perl /srv/program.pl") for line in box.processes()))
    assert "runbook_discovery" in box.run("nft list tables").out
    with pytest.raises(RunbookError, match="another discovery runs on sandbox"):
        waiting.attempt((), deadline=5)
    if how == "the shell is ended":
        box.run("kill -TERM $(sed -n 's/^PPid:[^0-9]*//p' /proc/$(pgrep -xo strace)/status)")
    shell.stdout.close()
    shell.wait(timeout=10)
    until(lambda: box.processes() == [])
    assert box.run("nft list tables").out == "table inet outside\n"
    assert box.run("ls /tmp").out == ""


def test_what_cannot_be_started_is_said(box: Sandbox) -> None:
    with pytest.raises(RunbookError) as caught:
        find_out(
            box, program(box, "#!/usr/bin/no-such-interpreter\n"), content_for=lambda p, d: None
        )  # type: ignore[arg-type]
    assert caught.value.problem.startswith(
        "/srv/program.pl could not be started on sandbox: timeout: failed to run command"
    )


def test_what_was_created_in_vain_is_taken_back(box: Sandbox) -> None:
    with pytest.raises(Stopped) as caught:
        find_out(box, program(box, CLAIMS), content_for=lambda p, d: None)  # type: ignore[arg-type]
    assert [row.did for row in caught.value.trail][:2] == [
        "created /srv/claims/optional.ini (empty)",
        "removed /srv/claims/optional.ini again (it changed nothing)",
    ]
    assert (
        caught.value.problem == "It ends with exit 3, printing 'Error: the licence is not valid'."
    )
    assert box.run("ls /srv").out == "program.pl\n"


def test_a_program_that_ends_at_random_gets_a_second_chance(box: Sandbox) -> None:
    found = find_out(box, program(box, MOODY), content_for=lambda p, d: None)  # type: ignore[arg-type]
    assert [row.observed for row in found.trail] == ["exit 0", "listens at 0.0.0.0:7201"]


def test_a_file_it_may_not_read_is_left_to_a_person(box: Sandbox) -> None:
    box.run("echo x >/srv/closed.yaml; chmod 0600 /srv/closed.yaml")
    with pytest.raises(Stopped) as caught:
        find_out(box, program(box, CLOSED), content_for=lambda p, d: None)  # type: ignore[arg-type]
    assert caught.value.problem.startswith(
        "User tenant may not read /srv/closed.yaml, and it ends with exit 13, printing"
    )
    assert caught.value.next.startswith("chgrp tenant /srv/closed.yaml")


def test_a_program_that_never_listens_is_given_up_at_its_deadline(box: Sandbox) -> None:
    with pytest.raises(Stopped) as caught:
        find_out(box, program(box, WAITS), content_for=lambda p, d: None, deadline=1)  # type: ignore[arg-type]
    assert caught.value.problem == "It has run for 1 s and opened no port."
    assert box.processes() == []


def until(condition: object, seconds: float = 8) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.05)
