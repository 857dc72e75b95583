"""Text is UTF-8 by name wherever it is read or written: the operator's locale decides about his
terminal only."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from places import PROJECT

FOLDERS = ("fabfile", "healer", "watchdog", "lab", "bench", "provision")
FOUND = sorted(path for folder in FOLDERS for path in (PROJECT / folder).rglob("*.py"))
MODULES = [PROJECT / "tasks.py", *(path for path in FOUND if "__pycache__" not in path.parts)]

PROGRAMS = {"run", "Popen", "check_output"}
"""Of subprocess: text with `text=True`."""


def is_text(call: ast.Call) -> bool:
    """Whether `call` turns text into bytes, or bytes into text, by an encoding that it may name."""
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    keywords = {word.arg: word.value for word in call.keywords}
    if name in ("read_text", "write_text"):
        return True
    if name in PROGRAMS:
        return bool({"text", "universal_newlines"} & keywords.keys())
    if (
        name == "read"
        and isinstance(call.func, ast.Attribute)
        and "parser" in ast.unparse(call.func.value).lower()
    ):
        return True  # a ConfigParser
    if (
        name == "open"
        and isinstance(call.func, ast.Attribute)
        and ast.unparse(call.func.value) == "os"
    ):
        return False  # a file descriptor
    if name not in ("open", "fdopen", "NamedTemporaryFile", "TemporaryFile"):
        return False
    if name == "open" and isinstance(call.func, ast.Attribute) and not (call.args or keywords):
        return "connection" not in ast.unparse(call.func.value)
    at = (
        0 if (name == "open" and isinstance(call.func, ast.Attribute)) or "Temporary" in name else 1
    )
    mode = keywords.get("mode") or (call.args[at] if len(call.args) > at else None)
    default = "w+b" if "Temporary" in name else "r"
    return "b" not in (mode.value if isinstance(mode, ast.Constant) else default)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_text_names_its_encoding(path: Path) -> None:
    unnamed = [
        f"line {node.lineno}: {ast.unparse(node)[:80]}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and is_text(node)
        and "encoding" not in {word.arg for word in node.keywords}
    ]
    assert unnamed == []


def test_the_rule_sees_what_it_should() -> None:
    wrong = (
        'p.read_text()\nopen(f)\nopen(f, "w")\np.open()\nos.fdopen(h, "w")\nsubprocess.run(a,'
        " text=True)\nparser.read(f)"
    )
    right = (
        'open(f, "rb")\np.open("wb")\nos.open(f, 1)\nos.fdopen(h,'
        ' "wb")\nsubprocess.run(a)\nconnection.open()\nlink.read([])'
    )
    for text, expected in ((wrong, True), (right, False)):
        for line in text.splitlines():
            call = ast.parse(line).body[0].value  # type: ignore[attr-defined]
            assert is_text(call) is expected, line
