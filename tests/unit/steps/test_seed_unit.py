"""How far the seeding's unit is: what cannot be told is no reason to empty a database."""

from __future__ import annotations

import pytest

from fabfile.engine.errors import RunbookError
from fabfile.engine.shell import Reading
from fabfile.steps.followed_unit import WorkState
from fabfile.steps.seed_unit import SEED_UNIT

KNOWN = {
    "running": ("LoadState=loaded\nSubState=running\nResult=success\n", WorkState.RUNNING),
    "about to run": ("LoadState=loaded\nSubState=start\nResult=success\n", WorkState.RUNNING),
    "finished": ("Result=success\nLoadState=loaded\nSubState=exited\n", WorkState.FINISHED),
    "failed": ("LoadState=loaded\nSubState=failed\nResult=exit-code\n", WorkState.FAILED),
    "killed": ("LoadState=loaded\nSubState=failed\nResult=signal\n", WorkState.FAILED),
    "none": ("LoadState=not-found\nSubState=dead\nResult=success\n", WorkState.ABSENT),
    "stopped": ("LoadState=loaded\nSubState=dead\nResult=success\n", WorkState.ABSENT),
}


@pytest.mark.parametrize(("out", "expected"), KNOWN.values(), ids=KNOWN)
def test_what_systemd_says(out: str, expected: WorkState) -> None:
    assert SEED_UNIT.parse_state("node1", Reading(out, 0)) is expected


UNKNOWN = {
    "nothing": Reading("", 0),
    "a greeting": Reading("Welcome to node1, no smoking\n", 0),
    "no bus": Reading("Failed to connect to bus: No such file or directory\n", 1),
    "an answer of a command that failed": Reading(
        "LoadState=not-found\nSubState=dead\nResult=success\n", 1
    ),
    "half an answer": Reading("LoadState=loaded\nSubState=exited\n", 0),
    "a state that is not known": Reading(
        "LoadState=loaded\nSubState=cleaning\nResult=success\n", 0
    ),
    "a broken unit": Reading("LoadState=error\nSubState=dead\nResult=success\n", 0),
    "ended, but not well": Reading("LoadState=loaded\nSubState=exited\nResult=timeout\n", 0),
}


@pytest.mark.parametrize("seen", UNKNOWN.values(), ids=UNKNOWN)
def test_what_cannot_be_told_is_refused(seen: Reading) -> None:
    with pytest.raises(
        RunbookError, match="node1: the state of the seeding is not clear from"
    ) as failure:
        SEED_UNIT.parse_state("node1", seen)
    assert "nothing was done" in failure.value.why
