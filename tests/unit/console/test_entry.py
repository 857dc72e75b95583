"""The edge of every task: codes, three lines, no traceback for what an operator can cause."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pytest
from invoke.exceptions import Exit

from fabfile.console.task import run_as_task
from fabfile.engine.errors import Locked, Mutation, RunbookError, Unreachable
from fabfile.engine.interrupt import Aborted
from fabfile.engine.secret import Secret


def ending(body: Callable[..., int | None]) -> int:
    """The exit code of a task with this body."""
    try:
        run_as_task(body)(None)
    except Exit as end:
        return int(end.code)
    return 0


def raising(error: BaseException) -> Callable[..., int | None]:
    def body(c: Any) -> int | None:
        raise error

    return body


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 5])
def test_what_a_task_returns_is_its_exit_code(code: int) -> None:
    assert ending(lambda c: code) == code


def test_a_task_that_returns_nothing_is_fine() -> None:
    assert ending(lambda c: None) == 0


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RunbookError("seen", "why it is so", "do that"), 1),
        (RunbookError("seen", "why it is so", "do that", code=5), 5),
        (Locked("seen", "why it is so", "do that"), 3),
        (Unreachable("seen", "why it is so", "do that"), 4),
        (Mutation("seen", "why it is so", "do that"), 1),
    ],
)
def test_an_error_is_three_lines_and_its_code(
    error: RunbookError, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ending(raising(error)) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == ["✗ seen", "  why  why it is so", "  next do that"]


def test_errors_show_no_secrets_and_text_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    Secret("entry-secret")
    assert ending(raising(RunbookError("[red] entry-secret [/]", "", ""))) == 1
    assert capsys.readouterr().err == "✗ [red] •••••• [/]\n"


def test_ctrl_c(capsys: pytest.CaptureFixture[str]) -> None:
    assert ending(raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err.startswith("✗ interrupted\n")
    assert ending(raising(Aborted())) == 130
    assert "may still run on the host" in capsys.readouterr().err


def test_a_file_of_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert ending(raising(OSError(errno.ENOSPC, "No space left on device", "/x/report.json"))) == 1
    assert capsys.readouterr().err.splitlines()[0] == "✗ /x/report.json: no space left on device"


@pytest.mark.parametrize("bug", [ZeroDivisionError(), OSError("without a file"), AssertionError()])
def test_a_bug_keeps_its_traceback(bug: BaseException) -> None:
    with pytest.raises(type(bug)):
        ending(raising(bug))


def test_a_task_keeps_its_name_and_words() -> None:
    def task(c: Any, json: str | None = None) -> int:
        """Do it."""
        return 0

    wrapped = run_as_task(task)
    assert (wrapped.__name__, wrapped.__doc__) == ("task", "Do it.")


@pytest.mark.parametrize(
    ("seen", "next", "hinted"),
    [
        (
            "node1: tee: x: No space left on device",
            "fab plan",
            "df -h and df -i there   (space, and inodes); then fab plan",
        ),
        ("report.json: no space left on device", "", "df -h and df -i there   (space, and inodes)"),
        ("node1: no space left on device", "on node1: df -i /x", "on node1: df -i /x"),
        ("node1: permission denied", "fab plan", "fab plan"),
    ],
)
def test_no_space_left_may_mean_that_the_inodes_are_used_up(
    seen: str, next: str, hinted: str
) -> None:
    assert RunbookError(seen, "", next).next == hinted


def test_a_reason_typed_in_another_locale_can_be_written_anywhere() -> None:
    """`--reason $'f\\xfcr'` under UTF-8 reaches us as a lone surrogate, which no file takes."""
    reasons = []
    run_as_task(lambda c, reason: reasons.append(reason))(None, reason="f\udcfcr Jürgen")
    assert reasons == ["f?r Jürgen"]
