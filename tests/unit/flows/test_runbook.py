"""The pages of the on-call runbook, and how the terminal shows them."""

from __future__ import annotations

import io
import re

import pytest
from places import PROJECT
from rich.console import Console
from samples import site

from fabfile.console.task import name_follows
from fabfile.engine.errors import RunbookError
from fabfile.flows import runbook

PARTS = [
    "What users see",
    "Confirm",
    "Act",
    "Know that it worked",
    "Undo",
    "Without this tool",
]
NAMES = {"APP", "ADDRESS", "DB", "NODE", "EDGE", "HOST", "NODE_ADDRESS"}
"""The words in capitals that docs/runbook/README.md explains, or that stand for one of them."""
BY_HAND = {"PORT", "PATH", "OLDER", "HOLDER", "UNIT", "FILESYSTEM", "QUERY"}
"""What a reader fills in from the output of the line before."""


@pytest.fixture(params=sorted(runbook.list_pages()))
def text(request: pytest.FixtureRequest) -> str:
    return (runbook.PAGES / f"{request.param}.md").read_text(encoding="utf-8")


def test_a_page_has_its_parts_in_order(text: str) -> None:
    assert re.findall(r"(?m)^## (.*)$", text) == PARTS
    assert all(part.strip() for part in re.split(r"(?m)^## .*$", text)[1:])


def test_a_page_tells_a_command_to_confirm_and_one_to_act(text: str) -> None:
    parts = dict(zip(PARTS, re.split(r"(?m)^## .*$", text)[1:], strict=True))
    assert re.search(r"(?m)^    (fab|inv) ", parts["Confirm"])
    assert "    " in parts["Act"] or "fab" in parts["Act"]
    assert not re.search(r"\b(fab|inv) [a-z]", parts["Without this tool"])


def test_words_in_capitals_are_explained(text: str) -> None:
    code = "\n".join(re.findall(r"(?m)^    [^#\n]*", text))
    assert set(re.findall(r"\b[A-Z][A-Z_]+\b", code)) <= NAMES | BY_HAND


def test_other_pages_that_a_page_names_exist(text: str) -> None:
    named = re.findall(r"\bsee ([a-z]+(?:-[a-z]+)+)", text)
    assert [name for name in named if name not in runbook.list_pages()] == []


def test_the_index_lists_every_page() -> None:
    index = (PROJECT / "docs/runbook/README.md").read_text()
    assert re.findall(r"(?m)^\| \[([a-z-]+)\]", index) == sorted(runbook.list_pages())
    for name, title in runbook.list_pages().items():
        assert f"| [{name}]({name}.md) | {title} |" in index


def test_names_of_the_site_are_filled_in() -> None:
    names = runbook.find_names(site(), ["node2"])
    filled = runbook.fill_page("fab -H NODE drain; ssh DB systemctl status APP; APPLE", names)
    assert filled == "fab -H node2 drain; ssh db1 systemctl status bingo; APPLE"


def test_without_a_site_the_words_stay() -> None:
    assert runbook.fill_page("ssh NODE", runbook.find_names(None, [])) == "ssh NODE"


def test_a_command_is_never_cut_or_wrapped() -> None:
    out = Console(file=io.StringIO(), width=40)
    command = "    sudo journalctl " + "--lines 100 " * 9
    runbook.print_page(out, f"# a: b\n\n## Act\n\nType this:\n\n{command}\n")
    assert command.rstrip() in out.file.getvalue()  # type: ignore[attr-defined]


def test_an_unknown_page_names_the_nearest() -> None:
    with pytest.raises(RunbookError) as caught:
        runbook.show_page("db-lock", None, [])
    assert caught.value.next == "fab runbook db-locked"


@pytest.mark.parametrize(
    ("words", "follows"),
    [
        (["fab", "runbook"], False),
        (["fab", "runbook", "clock"], True),
        (["fab", "-H", "node1", "runbook", "clock"], True),
        (["fab", "runbook", "--help"], False),
        (["fab", "status"], False),
    ],
)
def test_a_name_behind_the_task_is_seen(words: list[str], follows: bool) -> None:
    assert name_follows("runbook", words) is follows
