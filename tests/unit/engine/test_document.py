"""JSON for machines: a schema on top, no secret, and what is older than schema 2 is still read."""

from __future__ import annotations

import json

import pytest

from fabfile.drills.result import FAILED, HELD, NOT_TRIED, Bound, DrillResult, from_json
from fabfile.engine.document import SCHEMA, to_document
from fabfile.engine.secret import Secret


def test_a_document_begins_with_its_schema_and_has_no_secret() -> None:
    Secret("document-secret")
    text = to_document({"ü": [1, "document-secret"]})
    assert text.startswith('{\n  "schema": 2,\n')
    assert json.loads(text) == {"schema": SCHEMA, "ü": [1, "••••••"]}


def test_what_json_cannot_say_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_document({"latency": float("inf")})


RESULT = DrillResult("app-killed", "nobody notices", bounds=(Bound("gap", "1 s", "2 s", True),))


def test_a_kept_drill_is_read_again() -> None:
    assert from_json(json.loads(to_document(RESULT.as_json()))) == RESULT


def test_a_drill_that_was_kept_without_a_schema_is_read() -> None:
    old = RESULT.as_json()
    old["bounds"] = [{"what": "gap", "seen": "1 s", "bound": "2 s", "held": True}]
    assert from_json(old) == RESULT


@pytest.mark.parametrize("verdict", [HELD, FAILED, NOT_TRIED])
def test_a_drill_names_itself_and_says_whether_it_held(verdict: str) -> None:
    row = DrillResult(name="app-hung", hypothesis="h", verdict=verdict).as_json()
    assert (row["drill"], row["held"]) == ("app-hung", verdict == HELD)
    assert from_json(row).as_json() == row
