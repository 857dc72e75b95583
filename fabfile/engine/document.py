"""JSON for machines: every document says which schema it follows, and carries no secret."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .secret import mask_secrets

SCHEMA = 2
"""Of documents and journal lines. It rises when a key changes its name or meaning. 2: "message"
and "problem" (what had no schema called them "said" and "seen"), and no document is a list."""


def to_document(data: Mapping[str, Any]) -> str:
    """`data` as the text of a JSON document, its schema on top, secrets masked.

    Raises:
        ValueError: a number is infinite or not a number, which JSON cannot say.
    """
    text = json.dumps({"schema": SCHEMA, **data}, indent=2, ensure_ascii=False, allow_nan=False)
    return f"{mask_secrets(text)}\n"
