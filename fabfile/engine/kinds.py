"""Kinds of values in a file that a person writes: the form of each, and its name in a message.

Many of these values go into configuration files, paths and unit names as they are.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta


def text_like(pattern: str, description: str, example: str = "") -> Meta:
    """The form of a text. `pattern` must match all of it; `description` completes "must be …"."""
    examples = [example] if example else None
    return Meta(pattern=rf"^(?:{pattern})\Z", description=description, examples=examples)


Port = Annotated[int, Meta(ge=1, le=65535)]

Login = Annotated[str, text_like(r"([A-Za-z0-9_][A-Za-z0-9._@-]*)?", "a user's name")]

HostName = Annotated[
    str,
    text_like(
        r"([0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*|[A-Za-z0-9_][A-Za-z0-9._-]*)?",
        "a name like node1.example.com, or an IPv4 or IPv6 address",
    ),
]

HOP = (
    r"(?:([A-Za-z0-9_][A-Za-z0-9._@-]*)@)?"
    r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_][A-Za-z0-9._-]*))(?::([0-9]{1,5}))?"
)
"""A bastion. Groups: user, IPv6 address, name or IPv4 address, port."""

Bastion = Annotated[
    str, text_like(HOP, "USER@BASTION or USER@BASTION:PORT", "ops@bastion.example.com")
]
