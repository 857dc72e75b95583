"""Write JSON documents with a schema number and without secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .secret import mask_secrets

SCHEMA = 2
"""The schema number of documents and journal lines. It rises when a key changes.

Schema 2 renamed "said" to "message" and "seen" to "problem", and no document is a list.
"""


def to_document(data: Mapping[str, Any]) -> str:
    """`data` as the text of a JSON document, with the schema number first, secrets masked.

    Raises:
        ValueError: a number is infinite or NaN, which JSON does not have.
    """
    text = json.dumps({"schema": SCHEMA, **data}, indent=2, ensure_ascii=False, allow_nan=False)
    return f"{mask_secrets(text)}\n"
