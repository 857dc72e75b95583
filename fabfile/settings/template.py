"""Fill in the configuration files under configs/ and sql/, which are Jinja templates.

An unknown placeholder is an error, not an empty text."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

from ..engine.sqltext import quote_ident, quote_literal
from .project import PROJECT


@cache
def _jinja_environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([PROJECT / "configs", PROJECT / "sql"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # configuration files, not HTML
    )
    environment.filters["ident"] = lambda text: quote_ident(str(text))
    environment.filters["literal"] = lambda text: quote_literal(str(text))
    # Strings and lists of strings are the same in TOML and JSON.
    environment.filters["toml"] = lambda value: json.dumps(value, ensure_ascii=False)
    return environment


def render_template(name: str, **values: Any) -> str:
    """`configs/<name>` (or `sql/<name>`) with `values` filled in.

    Raises:
        jinja2.UndefinedError: the file names a value that was not given.
    """
    return _jinja_environment().get_template(name).render(**values)
