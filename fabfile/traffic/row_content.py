"""What an answer says about rows: the id of a new row, and whether a row is one of ours."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from .client import Response

WRAPPERS = ("data", "result", "item")
"""Keys that hold the row in many APIs. A key like the end of the path may hold it too."""

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def id_in(answer: Response, fields: Collection[str], path: str) -> int | str | None:
    """The new row's id in the answer to its creation: a `Location`, a bare number, or an id at the
    top or in a plain wrapper.

    An id deeper inside may belong to another row, so it is ignored.

    Args:
        answer: the answer.
        fields: the keys that may hold the id.
        path: the path of the creation, whose last word may be the wrapper.
    """
    last = answer.headers.get("Location", "").rstrip("/").rpartition("/")[2]
    if last.isdecimal():
        return int(last)
    try:
        value = json.loads(answer.head)
    except ValueError:
        return None
    return _id_of(value, fields) or _id_in_wrapper(value, fields, path)


def _id_in_wrapper(value: Any, fields: Collection[str], path: str) -> int | str | None:
    if not isinstance(value, Mapping):
        return None
    low = _lower_keys(value)
    for key in (path.rstrip("/").rpartition("/")[2].lower(), *WRAPPERS):
        if isinstance(low.get(key), Mapping | int):
            return _id_of(low[key], fields)
    return None


def _id_of(value: Any, fields: Collection[str]) -> int | str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    if not isinstance(value, Mapping):
        return None
    low = _lower_keys(value)
    for key in fields:
        inner = low.get(key.lower())
        if isinstance(inner, int | str):
            number = _id_of(inner, fields)
            return inner or None if number is None and isinstance(inner, str) else number
    return None


def _lower_keys(value: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(key).lower(): inner for key, inner in value.items()}


def shows_values(body: bytes, values: Mapping[str, str]) -> bool:
    """Whether a row contains all values that it was created with. Numbers count only as a whole,
    and a moment also in PostgreSQL's form."""
    return all(_shows_value(body, text) for text in values.values())


def _shows_value(body: bytes, text: str) -> bool:
    if text.isdecimal():
        return bool(re.search(rb"(?<![\w.-])" + text.encode() + rb"(?![\w.-])", body))
    if MOMENT.fullmatch(text):
        day, time = text[:10].encode(), text[11:19].encode()
        return day + b"T" + time in body or day + b" " + time in body
    return text.encode() in body


def rows_in(body: bytes) -> Iterator[Mapping[str, Any]]:
    """The rows of a list, also of one in a wrapper; none if it is not whole."""
    try:
        value = json.loads(body)
    except ValueError:
        return
    inner = value.values() if isinstance(value, Mapping) else [value]
    for rows in inner:
        if isinstance(rows, Sequence) and not isinstance(rows, str):
            yield from (row for row in rows if isinstance(row, Mapping))


def first_row(body: bytes) -> Mapping[str, Any] | None:
    """The first row of a list of which only the beginning is known; None if not readable."""
    try:
        text = body[body.index(b"[") + 1 :].decode(errors="replace")
        row, _ = json.JSONDecoder().raw_decode(text.lstrip())
    except ValueError:
        return None
    return row if isinstance(row, Mapping) else None


def references_in(row: Mapping[str, Any], names: Collection[str]) -> dict[str, str] | None:
    """The numbers of other rows that a row names, by value: `thing_id`, `thingId`, or the id in
    `thing`. None if one is missing."""
    low = {str(key).lower().replace("_", ""): value for key, value in row.items()}
    found: dict[str, str] = {}
    for name in names:
        inner = low.get(name)
        value = low.get(f"{name}id", inner.get("id") if isinstance(inner, Mapping) else None)
        if not isinstance(value, int):
            return None
        found[name] = str(value)
    return found
