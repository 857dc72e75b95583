"""Read the body of an answer, and judge the answer."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterable, Collection
from typing import NamedTuple

from ..settings.endpoint import Expectation

HEAD = 65536
"""Bytes of a body that are kept. Nobody reads more than the beginning of a list."""

WHOLE = 1 << 24
"""Bytes of a body that are kept where all of it is read."""


class Body(NamedTuple):
    """The body of an answer: its beginning, its length, its digest, and what was found in it."""

    head: bytes
    size: int
    digest: str
    found: frozenset[bytes]


async def read_body(
    chunks: AsyncIterable[bytes], wanted: Collection[bytes], keep: int = HEAD
) -> Body:
    """Read a whole body, and look for each of `wanted` in it. Only the first `keep` bytes are kept:
    a long list is never in memory as a whole."""
    digest = hashlib.blake2b(digest_size=16)
    missing, found = {text for text in wanted if text}, set[bytes]()
    longest = max(map(len, missing), default=0)
    head, rest, size = b"", b"", 0
    async for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
        if len(head) < keep:
            head += chunk[: keep - len(head)]
        if missing:
            rest += chunk
            new = {text for text in missing if text in rest}
            found |= new
            missing -= new
            rest = rest[-longest:]
    return Body(head, size, digest.hexdigest(), frozenset(found))


def texts_to_find(expect: Expectation) -> tuple[bytes, bytes]:
    """The texts that decide whether a body is right: one that it contains, and one that it does
    not. Empty: any."""
    return expect.contains.encode(), expect.not_contains.encode()


def judge_answer(expect: Expectation, method: str, status: int, body: Body) -> str:
    """Why an answer is wrong, in a few words; empty for a right one."""
    if status in expect.absent:
        return ""
    if status in expect.repeated:
        return f"status {status}: executed twice"
    if status not in expect.status:
        return f"status {status}"
    if method == "GET" and not body.size and status != 204:
        return "empty answer"
    contains, not_contains = texts_to_find(expect)
    right = not contains or contains in body.found
    right = right and not_contains not in body.found
    if expect.equals:
        right = right and body.head.strip() == expect.equals.encode().strip()
    return "" if right else "answers something else"
