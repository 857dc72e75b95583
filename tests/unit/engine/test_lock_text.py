"""Reading a lock: who holds it, for how long, and whether its process is one of this machine's
dead."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fabfile.engine import lock
from fabfile.engine.journal import Run
from fabfile.engine.lock import Holder, locked_error, parse_holder

HELD = """run=r1
who=anna@desk
task=deploy
reason=a = b
since=2026-01-02T03:04:05Z
controller=desk~m1/boot/7.8
expires=1060
now=1000
"""


def test_a_held_lock() -> None:
    holder = parse_holder(HELD)
    assert holder == Holder(
        "r1", "anna@desk", "deploy", "a = b", "2026-01-02T03:04:05Z", 60, "desk~m1/boot/7.8"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now=1000\n",
        HELD.replace("now=1000", "now=1060"),
        HELD.replace("now=1000", "now=2000"),
        "garbage\n\n",
    ],
)
def test_no_lock_or_one_that_expired(text: str) -> None:
    assert parse_holder(text) is None


def test_a_lock_of_an_older_version_lacks_fields() -> None:
    holder = parse_holder("run=r1\nexpires=10\nnow=1\n")
    assert holder is not None
    assert (holder.who, holder.controller, holder.died_here()) == ("?", "", False)


def here(
    pid: int | str, started: str, *, boot: str | None = None, machine: str | None = None
) -> Holder:
    place = f"{machine or lock.machine_id()}/{boot or lock.boot_id()}/{pid}.{started}"
    return Holder("r", "w", "t", "", "s", 60, place)


def test_who_is_dead() -> None:
    mine, started = os.getpid(), lock.process_start(os.getpid())
    assert started.isdigit()
    assert not here(mine, started).died_here(), "this very process lives"
    assert here(mine, str(int(started) - 1)).died_here(), "another process had that number before"
    assert here(2**22 + 1, "1").died_here(), "no such process"
    assert here(mine, started, boot="an-earlier-boot").died_here(), "the machine was started anew"
    assert not here(2**22 + 1, "1", machine="elsewhere~1").died_here(), "nobody knows from here"


def test_two_machines_of_one_name_are_told_apart() -> None:
    name, _, number = lock.machine_id().partition("~")
    assert not here(1, "1", boot="other", machine=f"{name}~{'f' * 32}").died_here()
    assert len(number) in (0, 32)


@pytest.mark.parametrize("controller", ["", "x", "x/y", "x/y/z", "//", "///7.8", "a/b/c.d"])
def test_a_garbled_controller_is_not_taken_for_dead(controller: str) -> None:
    assert not Holder("r", "w", "t", "", "s", 60, controller).died_here()


def test_the_message_names_who_why_and_what_to_do() -> None:
    error = locked_error("node1", Holder("r", "anna@desk", "deploy", "ticket 7", "noon", 42, ""))
    assert error.code == 3
    assert error.problem == "node1 is locked by anna@desk: deploy (ticket 7), since noon"
    assert "expires in 42 s" in error.why
    assert error.next.endswith("fab deploy --take-over")
    assert (
        "()"
        not in locked_error("node1", Holder("r", "anna@desk", "deploy", "", "noon", 42, "")).problem
    )


def test_a_reason_cannot_forge_fields() -> None:
    script = lock.acquire_script(
        Run("deploy", Path("/x"), "done\nrun=stolen\nexpires=9999999999"),
        force=False,
        instead_of="",
    )
    assert "'reason=done run=stolen expires=9999999999'" in script
