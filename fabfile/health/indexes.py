"""Whether the indexes that the service needs exist and are valid. Without one, each read by id
reads its whole table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..engine.problem import Problem
from ..engine.sqltext import quote_literal
from ..settings.service import Service
from ..steps.sql import Index

INDEXES = """SELECT json_build_object('index', wanted.name, 'state', CASE
  WHEN i.indexrelid IS NULL THEN 'missing' WHEN NOT i.indisvalid THEN 'invalid' ELSE 'valid' END)
FROM (SELECT unnest(ARRAY[{names}]::text[]) AS name) wanted
LEFT JOIN pg_index i ON i.indexrelid = to_regclass(wanted.name);"""


def index_names(service: Service) -> list[str]:
    """The indexes that the service needs, with their schemas."""
    return [Index("", text).full_name for text in service.indexes]


def index_query(service: Service) -> str:
    """SQL that prints, as a JSON line for each index, whether it exists and is valid."""
    return INDEXES.replace("{names}", ", ".join(map(quote_literal, index_names(service))))


def judge_indexes(facts: Sequence[Mapping[str, Any]]) -> list[Problem]:
    """Return a problem if an index is missing or invalid. Pure."""
    bad = [
        f"{fact['index']} is {fact['state']}"
        for fact in facts
        if fact.get("state") in ("missing", "invalid") and "index" in fact
    ]
    if not bad:
        return []
    text = f"the database reads whole tables: {', '.join(bad)}"
    return [Problem(text, "inv db.indexes   (builds without blocking)", incident="db-slow")]
