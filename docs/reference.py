"""What the generated references share: they are made of types and docstrings."""

from __future__ import annotations

import ast
import inspect
import textwrap
from pathlib import Path
from typing import Any, get_args, get_origin

from fabfile.settings.decoding import describe_kind, list_keys, unwrap_kind


def read_field_docs(kind: type[Any]) -> dict[str, str]:
    """The docstring below each field of a dataclass. Python does not keep them, its source does."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for statement, following in zip(body.body, body.body[1:], strict=False):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(following, ast.Expr):
            continue
        if isinstance(statement.target, ast.Name) and isinstance(following.value, ast.Constant):
            found[statement.target.id] = " ".join(str(following.value.value).split())
    return found


def describe_hint(hint: Any) -> str:
    """What a value must be, in words."""
    bare, meta = unwrap_kind(hint)
    if list_keys(bare):
        return "table"
    if get_origin(bare) is dict:
        return "table of texts"
    if get_origin(bare) is tuple:
        inner, rule = unwrap_kind(get_args(bare)[0])
        return f"list, each {describe_kind(inner, rule)}"
    if bare is Path:
        return "path"
    words = describe_kind(bare, meta)
    return words if meta and meta.description else words.removeprefix("a ")


def write_toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return f"`{value}`".lower()
    return f'`"{value}"`' if isinstance(value, str | Path) else f"`{value}`"


def wrap_text(text: str, mark: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        100,
        initial_indent=mark,
        subsequent_indent=" " * len(mark),
        break_long_words=False,
        break_on_hyphens=False,
    )
