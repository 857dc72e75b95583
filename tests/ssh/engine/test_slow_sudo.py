"""A host whose own name does not resolve: each sudo is late. Limits leave room for it, locks
live on, and it is said once."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sshhost import Host, fab

from fabfile.engine import lock as locks
from fabfile.engine import slowness
from fabfile.engine.journal import Run
from fabfile.engine.link import Link
from fabfile.engine.lock import Lock
from fabfile.engine.waiting import wait_until

LATE = 2.5
"""Seconds; from 2 on it is worth a sentence."""
SUDO = f"""#!/bin/sh
sleep {LATE}
echo "sudo: unable to resolve host $(hostname): Temporary failure in name resolution" >&2
exec /usr/bin/sudo "$@"
"""


@pytest.fixture(autouse=True)
def nothing_said_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slowness, "_warned", set())


@pytest.fixture
def slow(host: Host, other: Host) -> Iterator[tuple[Host, Host]]:
    """Both hosts, each sudo on them late."""
    for one in (host, other):
        one.install("/usr/local/bin/sudo", SUDO)
    yield host, other
    for one in (host, other):
        (one.files / "usr/local/bin/sudo").unlink()


@pytest.fixture
def links(slow: tuple[Host, Host]) -> Iterator[list[Link]]:
    """A link to each, which has measured its host once."""
    with contextlib.ExitStack() as opened:
        links = [opened.enter_context(contextlib.closing(host.link())) for host in slow]
        for link in links:
            link.read(["true"])
        yield links


def left(host: Host) -> float:
    """Seconds until the host's lock expires; read there without ssh."""
    holder = locks.parse_holder(
        (host.files / locks.FILE[1:]).read_text() + f"now={int(time.time())}\n"
    )
    return holder.left if holder else 0


def test_it_is_measured_and_a_limit_shorter_than_it_still_holds(links: list[Link]) -> None:
    assert LATE <= links[0].delay < LATE + 2
    assert links[0].run("echo done", timeout=1).out == "done\n"


def test_it_is_said_once_with_the_line_for_etc_hosts(
    links: list[Link], capfd: pytest.CaptureFixture[str]
) -> None:
    slowness._warned.clear()
    for link in (*links, *links):
        link.run("true")
    said = capfd.readouterr().err
    assert said.count("! one takes") == 1
    assert said.count("! two takes") == 1
    assert "does not resolve" in said
    assert (
        f"on one, as root: echo '127.0.1.1 {Path('/proc/sys/kernel/hostname').read_text().strip()}'"
        " >>/etc/hosts" in said
    )


def test_a_task_says_it_and_goes_on(slow: tuple[Host, Host], site: Path) -> None:
    done = fab(site, "plan")
    assert done.returncode == 2
    assert done.stderr.startswith("! one takes ")


def test_locks_of_slow_hosts_never_lapse(
    slow: tuple[Host, Host], links: list[Link], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taking or renewing both one after the other lasts longer than a lock."""
    monkeypatch.setattr(locks, "TTL", 4)
    monkeypatch.setattr(locks, "BEAT", 0.5)
    with Lock(links, Run("deploy", tmp_path)):
        end, ends = time.monotonic() + 9, set[int]()
        while time.monotonic() < end:
            rest = [left(host) for host in slow]
            assert min(rest) > 0, rest
            ends.add(int(time.time() + rest[0]))
            time.sleep(0.1)
        assert len(ends) > 1, "it was renewed"
    assert not any((host.files / locks.FILE[1:]).exists() for host in slow), (
        "given back, although slowly"
    )


def test_an_answer_older_than_the_time_limit_is_asked_for_again() -> None:
    asked: list[float] = []

    def moved() -> bool:
        asked.append(time.monotonic())
        time.sleep(0.1)
        return len(asked) > 1

    assert wait_until(moved, seconds=0.05)
    assert not wait_until(lambda: False, seconds=0.05, every=0.01)


@pytest.mark.parametrize(
    ("words", "seen", "next"),
    [
        (
            "sudo: unable to resolve host db1.lan: Name or service not known",
            (
                "n takes 12 s to start each command, so all work there is slow: its own name"
                " (db1.lan) does not resolve, and sudo looks it up each time"
            ),
            "on n, as root: echo '127.0.1.1 db1.lan' >>/etc/hosts",
        ),
        (
            "",
            (
                "n takes 12 s to start each command, so all work there is slow: sudo is slow to"
                " start there"
            ),
            "time sudo",
        ),
    ],
)
def test_the_sentence(words: str, seen: str, next: str) -> None:
    warning = slowness.explain_slowness("n", 12.2, words)
    assert warning.problem == seen
    assert next in warning.next
