"""Listening to a host for long: its lines as they come, an end to silence, and nothing left
there afterwards."""

from __future__ import annotations

import time

import pytest
from sshhost import Host

from fabfile.engine.errors import Unreachable
from fabfile.engine.link import Link


def test_lines_come_as_they_are_said_and_end_with_the_script(link: Link) -> None:
    assert list(link.follow("echo one; echo twö; printf half", silence=5)) == ["one", "twö"]


def test_whoever_listens_may_leave_and_the_script_ends(link: Link, host: Host) -> None:
    lines = link.follow(
        "while :; do echo tick || exit 0; date +%N >/tmp/tick; sleep 0.05; done", silence=5
    )
    assert [next(lines) for _ in range(3)] == ["tick"] * 3
    lines.close()  # type: ignore[attr-defined]
    tick, end = host.files / "tmp/tick", time.monotonic() + 20
    while True:
        assert time.monotonic() < end, "the script goes on for nobody"
        before = tick.read_text()
        time.sleep(1)
        if tick.read_text() == before:
            return


def test_a_silent_host_is_told_of(link: Link) -> None:
    lines = link.follow("echo here; sleep 60", silence=0.5)
    assert next(lines) == "here"
    began = time.monotonic()
    with pytest.raises(Unreachable, match="no data arrived in time"):
        next(lines)
    assert time.monotonic() - began < 5


def test_probes_are_read_again_in_one_session(link: Link, host: Host) -> None:
    before = host.sessions()
    rounds = link.read_again(["date +%N", "printf half; exit 3"], every=0.05)
    first, second = next(rounds), next(rounds)
    assert first[0].out != second[0].out
    assert first[1] == second[1] == ("half", 3)
    assert host.sessions() == before + 1
    rounds.close()  # type: ignore[attr-defined]


def test_probes_that_hang_lose_the_host(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fabfile.engine.link.ANSWER_SECONDS", 0.3)
    rounds = link.read_again(["[ ! -e /tmp/hang ] || sleep 60; touch /tmp/hang"], every=0.05)
    assert len(next(rounds)) == 1
    with pytest.raises(Unreachable, match="no data arrived in time"):
        next(rounds)
