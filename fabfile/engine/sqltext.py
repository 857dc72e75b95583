"""Quote names and texts for SQL."""

from __future__ import annotations


def quote_ident(name: str) -> str:
    """`name` as an SQL identifier, in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """`text` as an SQL literal, in single quotes."""
    return "'" + text.replace("'", "''") + "'"
