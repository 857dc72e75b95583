"""One deploy at a time: who holds the lock is named, the dead are not waited for, and a run that
lost it is stopped on the host."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sshhost import Host, fab, until

from fabfile.engine import lock as locks
from fabfile.engine.converge import Converger
from fabfile.engine.errors import Locked, RunbookError
from fabfile.engine.journal import Run
from fabfile.engine.link import Link
from fabfile.engine.lock import Lock
from fabfile.steps.file import File


def new_run(folder: Path, reason: str = "") -> Run:
    return Run("deploy", folder, reason)


def holder(link: Link) -> locks.Holder | None:
    return locks.parse_holder(link.read([locks.PROBE])[0].out)


@pytest.fixture
def second(host: Host) -> Iterator[Link]:
    """Another run's link to the same host."""
    link = host.link()
    yield link
    link.close()


def test_the_second_of_two_runs_is_told_who_holds_the_first(
    link: Link, second: Link, tmp_path: Path
) -> None:
    run = new_run(tmp_path, "ticket 7: it's urgent")
    with Lock([link], run):
        with pytest.raises(Locked) as refusal, Lock([second], new_run(tmp_path)):
            pytest.fail("two at once")
        assert refusal.value.code == 3
        assert refusal.value.problem.startswith(
            f"one is locked by {run.who}: deploy (ticket 7: it's urgent), since 20"
        )
        assert "fab deploy --take-over" in refusal.value.next
        link.run("true")
    assert holder(link) is None
    with Lock([second], new_run(tmp_path)):
        second.run("true")


def test_the_lock_is_gone_after_an_error(link: Link, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), Lock([link], new_run(tmp_path)):
        raise RuntimeError
    assert (holder(link), link.guard) == (None, "")


def test_it_is_held_on_all_hosts_or_on_none(host: Host, other: Host, tmp_path: Path) -> None:
    with ExitStack() as links:
        one, two, third = host.link(), other.link(), other.link()
        for link in (one, two, third):
            links.callback(link.close)
        with Lock([two], new_run(tmp_path)):
            with (
                pytest.raises(Locked, match="two is locked"),
                Lock([third, one], new_run(tmp_path)),
            ):
                pytest.fail("half a lock")
            assert holder(one) is None
            assert holder(two) is not None


HOLD = """
from fabfile.engine.journal import Run
from fabfile.engine.lock import Lock
import sys
with Lock([link], Run("deploy", Path("/nonexistent"), "about to die")):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_lock_of_a_killed_process_is_taken_over_by_itself(
    host: Host, link: Link, tmp_path: Path
) -> None:
    child = host.child(HOLD)
    assert child.stdout
    assert child.stdout.readline() == "held\n"
    with pytest.raises(Locked, match="about to die"), Lock([link], new_run(tmp_path)):
        pytest.fail("its process lives")
    child.kill()
    child.communicate()
    left = holder(link)
    assert left is not None
    assert left.left > 0
    with Lock([link], new_run(tmp_path)):
        link.run("true")


def test_an_expired_lock_is_no_lock(
    link: Link, second: Link, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "TTL", 1)
    with Lock([link], new_run(tmp_path)):  # alive, but its heartbeat is far away
        until(lambda: holder(second) is None, "it expires", seconds=4)
        with Lock([second], new_run(tmp_path)):
            with pytest.raises(Locked):
                link.run("touch /tmp/too-late")
            second.run("test ! -e /tmp/too-late")


def test_the_heartbeat_keeps_it_alive_and_survives_a_lost_connection(
    link: Link, second: Link, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "TTL", 2)
    monkeypatch.setattr(locks, "BEAT", 0.2)
    with Lock([link], new_run(tmp_path)):
        link.transport().close()
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            assert holder(second) is not None
        link.run("true")
    assert holder(second) is None


def test_take_over_fences_the_old_run(host: Host, link: Link, second: Link, tmp_path: Path) -> None:
    old, upload = new_run(tmp_path), Path(__file__)
    with Lock([link], old):
        link.run("echo before >/tmp/fenced")
        with Lock([second], new_run(tmp_path), take_over=True):
            for change in (
                lambda: link.run("echo after >/tmp/fenced"),
                lambda: link.run("echo after >/tmp/fenced", check=False),
                lambda: link.upload(upload, "/tmp/fenced", "0" * 64),
            ):
                with pytest.raises(Locked, match="no longer held by this run") as fenced:
                    change()
                assert fenced.value.code == 3
            with pytest.raises(Locked):
                Converger(link, old, on_outcome=lambda outcome: None, progress=print).apply(
                    [File("/tmp/fenced", "after")]
                )
            second.run("true")
            assert link.read(["cat /tmp/fenced"])[0].out == "before\n", "it may still look"
    assert holder(second) is None


def test_a_run_that_lost_the_lock_does_not_release_it(
    link: Link, second: Link, tmp_path: Path
) -> None:
    thief = Lock([second], new_run(tmp_path), take_over=True)
    with Lock([link], new_run(tmp_path)):
        thief.__enter__()
    held = holder(second)
    assert held is not None
    assert held.run == thief.run.id
    thief.__exit__()
    assert holder(second) is None


def test_a_lock_that_cannot_be_written_is_one_sentence(
    host: Host, link: Link, tmp_path: Path
) -> None:
    (host.files / "var/lib/runbook").write_text("a file where a folder should be")
    with (
        pytest.raises(RunbookError, match="the lock could not be written") as failure,
        Lock([link], new_run(tmp_path)),
    ):
        pytest.fail("no lock")
    assert failure.value.code == 1
    (host.files / "var/lib/runbook").unlink()


def test_a_deploy_that_meets_a_lock_exits_3_and_a_plan_does_not_mind(
    host: Host, link: Link, site: Path, tmp_path: Path
) -> None:
    with Lock([link], new_run(tmp_path, "the night shift")):
        done = fab(site, "deploy")
        assert done.returncode == 3, done.stdout
        assert "the night shift" in done.stderr
        assert fab(site, "plan").returncode == 2
