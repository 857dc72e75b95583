"""Converging a host: read, decide, apply, read again; what is pending outlives a killed run; every
change is in the journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sshhost import Host, until
from sshsteps import Marker, journal

from fabfile.engine.converge import Converger, Outcome, State
from fabfile.engine.errors import Unreachable
from fabfile.engine.journal import Run
from fabfile.engine.link import Link
from fabfile.engine.secret import Secret
from fabfile.engine.shell import Reading
from fabfile.engine.step import Change, Step
from fabfile.steps.account import Account
from fabfile.steps.file import Directory, File, Symlink
from fabfile.steps.sql import SqlFile
from fabfile.steps.unit import Unit

SYSTEMCTL = """#!/bin/sh
# Stands in for systemd: a unit is active once started, and every call that changes something is \
on record.
case $1 in
show) printf 'LoadState=loaded\\nUnitFileState=enabled\\nActiveState=%s\\n' "$(cat \
/run/shim-state || echo inactive)" ;;
*) echo "$@" >>/run/shim-calls; echo active >/run/shim-state ;;
esac 2>/dev/null
"""


Apply = Callable[..., list[Outcome]]


@pytest.fixture
def apply(host: Host, link: Link, tmp_path: Path) -> Apply:
    """Converge steps on `host`; what was told equals what was returned."""

    def converge(*steps: Step) -> list[Outcome]:
        told: list[Outcome] = []
        outcomes = Converger(
            link, Run("deploy", tmp_path), on_outcome=told.append, progress=lambda text: None
        ).apply(steps)
        assert told == outcomes
        return outcomes

    return converge


@pytest.fixture
def shim(host: Host, link: Link) -> Iterator[Path]:
    """The calls that the stand-in of systemctl got. Other tests of the host have their own."""
    host.install("/usr/local/sbin/systemctl", SYSTEMCTL)
    for name in ("shim-state", "shim-calls"):
        (host.files / "run" / name).unlink(missing_ok=True)
    yield host.files / "run/shim-calls"
    link.run("rm -f /usr/local/sbin/systemctl")


def states(outcomes: list[Outcome]) -> list[State]:
    return [outcome.state for outcome in outcomes]


def test_a_second_run_changes_nothing_and_costs_one_session(
    host: Host, link: Link, apply: Apply
) -> None:
    steps = (
        Account("tenant"),
        Directory("/srv/twice", mode=0o750, owner="tenant:tenant"),
        File("/srv/twice/a b", "text\n", mode=0o640, owner="root:tenant"),
        File("/srv/twice/empty", ""),
        Symlink("/srv/twice/current", "a b"),
    )
    assert set(states(apply(*steps))) == {State.CHANGED}
    before, length = host.sessions(), len(journal(host))
    assert set(states(apply(*steps))) == {State.RIGHT}
    assert (host.sessions() - before, len(journal(host)) - length) == (1, 0)
    link.run(
        "chown ops:ops '/srv/twice/a b'; chmod 0777 /srv/twice; echo more >>/srv/twice/empty; ln"
        " -sfn / /srv/twice/current"
    )
    assert states(apply(*steps)) == [
        State.RIGHT,
        *[State.CHANGED] * 4,
    ], "what was changed by hand is mended"
    assert set(states(apply(*steps))) == {State.RIGHT}


def test_a_step_that_does_not_become_right_has_failed_and_the_rest_is_skipped(
    host: Host, apply: Apply
) -> None:
    outcomes = apply(
        Marker("never", "true"), Marker("skipped", "touch /run/skipped"), Directory("/srv")
    )
    assert states(outcomes) == [State.FAILED, State.SKIPPED, State.SKIPPED]
    assert outcomes[0].error is not None
    assert outcomes[0].error.problem == "one: after «make never» the host still needs: make never"
    assert outcomes[1].sentence == "because marker never failed"
    assert not (host.files / "run/skipped").exists()


def test_a_command_that_fails_is_told_in_its_own_words(apply: Apply) -> None:
    outcomes = apply(Marker("broken", "echo 'no such luck' >&2; exit 9"))
    assert states(outcomes) == [State.FAILED]
    assert str(outcomes[0].error) == "one: no such luck"
    assert outcomes[0].sentence == "make broken"


def test_a_refused_file_leaves_the_old_one(host: Host, apply: Apply) -> None:
    assert states(apply(File("/srv/checked", "good\n", validate="grep -q good {}"))) == [
        State.CHANGED
    ]
    outcomes = apply(
        File("/srv/checked", "bad\n", validate="echo 'line 1 is bad'; grep -q good {}")
    )
    assert states(outcomes) == [State.FAILED]
    assert (
        str(outcomes[0].error)
        == "one: the new /srv/checked was refused by its checker: line 1 is bad"
    )
    assert (host.files / "srv/checked").read_text() == "good\n"
    assert not list((host.files / "srv").glob(".runbook.*"))


def test_what_only_a_person_can_mend_changes_nothing(host: Host, apply: Apply) -> None:
    outcomes = apply(Account("root"), Marker("skipped", "touch /run/skipped"))
    assert states(outcomes) == [State.FAILED, State.SKIPPED]
    assert outcomes[0].sentence == "the user root is root"


def test_the_journal_says_who_did_what_before_it_was_done(host: Host, apply: Apply) -> None:
    Secret("swordfish-77")
    apply(
        Marker("seen", "grep -c begin /var/log/runbook/journal.jsonl >/run/seen"),
        Directory("/srv/swordfish-77"),
        Marker("never", "true"),
    )
    assert (host.files / "run/seen").read_text() == "1\n", "it was on record when the command ran"
    entries = journal(host)
    assert [(entry["event"], entry["step"]) for entry in entries] == [
        ("begin", "marker seen"),
        ("changed", "marker seen"),
        ("begin", "directory /srv/••••••"),
        ("changed", "directory /srv/••••••"),
        ("begin", "marker never"),
        ("failed", "marker never"),
    ]
    assert len({entry["run"] for entry in entries}) == 1
    assert "@" in entries[0]["who"]
    assert entries[0]["message"] == "make seen"


def test_a_disk_that_is_full_is_one_failed_step(host: Host, link: Link, apply: Apply) -> None:
    link.run(
        "mkdir -p /var/log/runbook; mount -t tmpfs -o size=4k,nr_inodes=2 none /var/log/runbook; "
        "dd if=/dev/zero of=/var/log/runbook/journal.jsonl bs=4096 count=1 2>&1"
    )
    outcomes = apply(Marker("full", "touch /run/full"), Directory("/srv"))
    assert states(outcomes) == [State.FAILED, State.SKIPPED]
    assert "No space left" in str(outcomes[0].error)
    assert not (host.files / "run/full").exists(), (
        "a change that cannot be put on record is not made"
    )
    link.run("umount /var/log/runbook")


def test_a_lost_host_ends_it(apply: Apply) -> None:
    with pytest.raises(Unreachable):
        apply(Marker("cut", "kill -9 $(ps -o ppid= -p $(ps -o ppid= -p $PPID)); sleep 5"))


RESTART = ["daemon-reload", "restart some@1.service"]


def test_a_change_restarts_what_it_concerns_once(host: Host, apply: Apply, shim: Path) -> None:
    restart = ("restart:some@1.service",)
    steps = (
        File("/srv/a.conf", "1\n", notify=restart),
        File("/srv/b.conf", "1\n", notify=restart),
        Unit("some@1.service"),
    )
    first = apply(*steps)
    assert set(states(first)) == {State.CHANGED}
    assert first[-1].sentence == "start some@1.service"
    assert shim.read_text().splitlines() == RESTART
    assert set(states(apply(*steps))) == {State.RIGHT}
    again = apply(File("/srv/a.conf", "2\n", notify=restart), *steps[1:])
    assert states(again) == [State.CHANGED, State.RIGHT, State.CHANGED]
    assert again[-1].sentence == "restart some@1.service"
    assert shim.read_text().splitlines() == RESTART * 2
    assert not list((host.files / "var/lib/runbook/pending").iterdir())


KILLED = """
from fabfile.engine.converge import Converger
from fabfile.engine.journal import Run
from fabfile.steps.file import File
from sshsteps import Marker
steps = [File("/srv/killed.conf", "new\\n", notify=("restart:some.service",)), Marker("held", \
"touch /run/begun; sleep 60")]
run = Run("deploy", Path("/nonexistent"))
Converger(link, run, on_outcome=print, progress=print).apply(steps)
"""


def test_what_a_killed_run_owes_is_done_by_the_next(
    host: Host, link: Link, apply: Apply, shim: Path
) -> None:
    link.run("rm -f /srv/killed.conf /run/begun; echo active >/run/shim-state")
    child = host.child(KILLED)
    until((host.files / "run/begun").exists, "the second step begins")
    child.kill()
    child.communicate()
    assert not shim.exists(), "killed between the change and the restart"
    outcomes = apply(
        File("/srv/killed.conf", "new\n", notify=("restart:some.service",)), Unit("some.service")
    )
    assert states(outcomes) == [State.RIGHT, State.CHANGED]
    assert shim.read_text() == "daemon-reload\nrestart some.service\n"


def test_warnings_of_psql_are_no_answer(host: Host, link: Link) -> None:
    """After an upgrade of the C library each connection warns of a collation's version."""
    host.install(
        "/usr/local/sbin/setpriv",
        "#!/bin/sh\necho 'WARNING:  collation version mismatch' >&2\necho ok\n",
    )
    step = SqlFile("x", "-- check\nSELECT 'ok';\n-- apply\nSELECT 1;\n")
    assert step.decide(link.read([step.probe()])[0]) is None
    (host.files / "usr/local/sbin/setpriv").unlink()


def test_a_bug_in_a_step_is_not_hidden(apply: Apply) -> None:
    @dataclass(frozen=True)
    class Buggy(Marker):
        def decide(self, seen: Reading) -> Change | None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        apply(Buggy("bug", "true"))
