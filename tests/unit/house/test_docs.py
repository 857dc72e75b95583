"""The documents: short lines, and every path, link, task and option in them exists."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from invoke import Collection, Task
from places import PROJECT

import fabfile
import tasks

OURS = frozenset(
    [
        *("bench", "certs", "configs", "docs", "fabfile", "healer", "lab"),
        *("provision", "sql", "tests", "watchdog"),
    ]
)
"""Whatever begins with one of these is a path of this project."""

PAGES = sorted(
    page
    for page in (*PROJECT.glob("*.md"), *PROJECT.glob("*/*.md"), *PROJECT.glob("docs/*/*.md"))
    if page.relative_to(PROJECT).parts[0] in (*OURS, page.name)
)
GUIDES = [page for page in PAGES if page.relative_to(PROJECT).parts[0] in ("docs", page.name)]
"""Those that a newcomer reads; the others name paths relative to their own folder."""


def name_page(page: Path) -> str:
    return str(page.relative_to(PROJECT))


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_lines_fit_into_100_columns(page: Path) -> None:
    lines = page.read_text().splitlines()
    assert [line for line in lines if len(line) > 100] == []


def test_the_first_page_is_short() -> None:
    assert len((PROJECT / "README.md").read_text().splitlines()) <= 120


def find_code(text: str) -> Iterator[str]:
    """Every inline code span, and every line of a code block."""
    for block in re.findall(r"(?ms)^```.*?^```|(?:^ {4}.*\n?)+", text):
        for line in block.splitlines():
            yield re.sub(r"(^| )#.*", "", line)  # a comment is prose
    text = re.sub(r"(?ms)^```.*?^```", "", text)
    for span in re.findall(r"`([^`]+)`", text):
        yield " ".join(span.split())


def is_project_path(text: str) -> bool:
    if re.search(r"[\s(){}<>=$*]", text) or text.startswith(("/", "~", ".", "http")):
        return False
    return (text.partition("/")[0] in OURS and "/" in text) or text.endswith((".py", ".md"))


@pytest.mark.parametrize("page", GUIDES, ids=name_page)
def test_every_path_exists(page: Path) -> None:
    """A word in capitals in a path (`fabfile/steps/NAME.py`) stands for any name."""
    missing = []
    for code in find_code(page.read_text()):
        if is_project_path(code) and not (PROJECT / code).exists():
            pattern = re.sub(r"\bNAME\b", "*", code).rstrip("/")
            if pattern == code or not any(PROJECT.glob(pattern)):
                missing.append(code)
    assert missing == []


NAMES_IN_FILE = re.compile(r"((?:`[\w-]+`(?:, | and )?)+) (?:in|of)\s+`([\w/-]+\.\w+)`")


def test_names_said_to_be_in_a_file_are_there() -> None:
    """As in: `COLUMNS` in `fabfile/flows/status_table.py`."""
    found = NAMES_IN_FILE.findall((PROJECT / "docs/extending.md").read_text())
    assert len(found) > 12
    for names, path in found:
        text = (PROJECT / path).read_text()
        assert [name for name in re.findall(r"`([^`]+)`", names) if name not in text] == [], path


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    local = [target for target in targets if not target.startswith("http")]
    assert [target for target in local if not (page.parent / target).exists()] == []


def list_tasks(menu: Collection, prefix: str = "") -> dict[str, Task]:
    found = {f"{prefix}{name}".replace("_", "-"): task for name, task in menu.tasks.items()}
    for name, inner in menu.collections.items():
        found |= list_tasks(inner, f"{prefix}{name}.")
    return found


TASKS = {"fab": list_tasks(fabfile.namespace), "inv": list_tasks(tasks.namespace)}
CALL = re.compile(r"\b(fab|inv) (?:-H \S+ )?([a-z][a-z0-9-]*(?:\.[a-zA-Z0-9-]*)?)([^&|;]*)")


def find_wrong_calls(text: str) -> Iterator[str]:
    """Calls of `fab` and `inv` in code with a task or an option that does not exist."""
    for code in find_code(text):
        for program, name, rest in CALL.findall(code):
            if name.endswith(("NAME", ".")):
                continue  # "fab drill.NAME", "inv lab.*": any task of that menu
            task = TASKS[program].get(name)
            options = {"help", "json"} | set(
                inspect.signature(task.body).parameters if task else ()
            )
            known = {option.replace("_", "-") for option in options}
            if task is None or set(re.findall(r"--([a-z][a-z-]*)", rest)) - known:
                yield f"{program} {name}{rest}"


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_every_task_and_option_exists(page: Path) -> None:
    assert list(find_wrong_calls(page.read_text())) == []


@pytest.mark.parametrize(
    "wrong", ["`fab deply`", "`fab deploy --fast`", "    inv db.sede", "`fab -H a,b drian`"]
)
def test_a_wrong_call_is_seen(wrong: str) -> None:
    assert list(find_wrong_calls(f"Type this:\n\n{wrong}\n")) != []


DECISIONS = sorted(PROJECT.glob("docs/decisions/[0-9]*.md"))


def test_every_decision_is_in_the_list() -> None:
    index = (PROJECT / "docs/decisions/README.md").read_text()
    for page in DECISIONS:
        title = page.read_text().splitlines()[0].removeprefix("# ")
        assert f"[{title}]({page.name})" in index


@pytest.mark.parametrize("page", DECISIONS, ids=name_page)
def test_a_decision_has_number_date_and_status(page: Path) -> None:
    title, _, status = page.read_text().splitlines()[:3]
    assert title.startswith(f"# {page.name[:4]} ")
    assert re.fullmatch(
        r"Date: 20\d\d-\d\d-\d\d\. Status: (accepted|superseded by \[\d{4}\]\(\S+\.md\))\.", status
    )
