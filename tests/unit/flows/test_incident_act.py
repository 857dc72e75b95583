"""Whether an act is done: only by --yes, or by yes on a terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from fabfile.flows.incident_act import may_act


class Terminal(io.StringIO):
    """A terminal on which somebody types."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [("yes\n", True), ("Y\n", True), ("no\n", False), ("\n", False), ("", False)],
)
def test_the_answer_on_the_terminal_counts(
    monkeypatch: pytest.MonkeyPatch, typed: str, wanted: bool
) -> None:
    shown = io.StringIO()
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    assert may_act(Console(file=shown), yes=False) is wanted
    assert "Do it now? [yes/no]" in shown.getvalue()


def test_without_a_terminal_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    shown = io.StringIO()
    assert not may_act(Console(file=shown), yes=False)
    assert "Do it now?" not in shown.getvalue(), "nobody is asked"
    assert "nothing was done" in shown.getvalue()
    assert may_act(Console(file=shown), yes=True)
