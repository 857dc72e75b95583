"""Take a file of SQL apart into statements, and fill in its values as psql does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from ..engine.sqltext import quote_ident, quote_literal

_TOKEN = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?\*/)
      | (?P<text>[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"
          |\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|::)
      | :'(?P<literal>\w+)' | :"(?P<ident>\w+)" | :(?P<plain>[A-Za-z_]\w*)
      | (?P<end>;)
      | (?P<other>[A-Za-z_]\w*|\s+|.)""",
    re.S | re.X,
)
"""One token. A letter before `'` must not begin a new token, except the E of an escaped text."""


def split_statements(script: str, values: Mapping[str, str]) -> tuple[str, ...]:
    """The statements of `script`, without comments and empty ones.

    `:NAME` becomes the value as it is, `:'NAME'` the value as a text, `:"NAME"` the value as a
    name. As in psql, a name without a value stays as it is, and nothing is filled in inside texts.
    """
    statements, current = [], ""
    for token in (*_fill_tokens(script, values), ";"):
        if token != ";":
            current += token
            continue
        if current.strip():
            statements.append(current.strip())
        current = ""
    return tuple(statements)


def _fill_tokens(script: str, values: Mapping[str, str]) -> Iterator[str]:
    """The tokens of the script, values filled in; a comment is a blank."""
    quotes: dict[str, Callable[[str], str]] = {"literal": quote_literal, "ident": quote_ident}
    quotes["plain"] = str
    for match in _TOKEN.finditer(script):
        kind = match.lastgroup or ""
        if kind == "comment":
            yield " "
        elif kind in quotes and match[kind] in values:
            yield quotes[kind](values[match[kind]])
        else:
            yield match[0]
