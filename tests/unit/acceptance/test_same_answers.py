"""How answers over http and https are compared (R14)."""

from __future__ import annotations

import pytest

from fabfile.acceptance.same_answers import describe_difference
from fabfile.traffic.client import Response


def answers(*bodies: str, status: int = 200) -> list[Response]:
    return [Response(0.0, 0.1, status=status, head=body.encode()) for body in bodies]


TOKENS = ("token=ab", "token=cd", "token=ef")


@pytest.mark.parametrize(
    ("plain", "secure", "difference"),
    [
        (answers("a", "a", "a"), answers("a", "a", "a"), ""),
        (answers("a", "a", "a"), answers("b", "b", "b"), "has another body over https"),
        (answers("node1x", "nodex", "nodex"), answers("nodex", "nodex", "nodex"), ""),
        (answers(*TOKENS), answers("token=gh", "token=ij", "token=kl"), ""),
        (answers(*TOKENS), answers(*TOKENS, status=403), "has status 200 over http, 403"),
    ],
)
def test_what_differs(plain: list[Response], secure: list[Response], difference: str) -> None:
    found = describe_difference("GET /", {"http": plain, "https": secure})
    assert difference in found
    assert bool(found) == bool(difference)
