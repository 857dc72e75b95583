"""Kinds of values in a site file or a service file: the form of each, and its name in a message.

Many of these values go into configuration files, paths and unit names as they are.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from ..engine.kinds import text_like

PlainName = Annotated[
    str,
    text_like(
        r"[A-Za-z0-9][A-Za-z0-9._-]*", "letters, digits, dots, dashes and underscores", "shop"
    ),
]

UserName = Annotated[
    str,
    text_like(r"[a-z_][a-z0-9_-]{0,30}", "a name of small letters, digits, dashes and underscores"),
]

Identifier = Annotated[
    str,
    text_like(r"[a-z_][a-z0-9_]{0,62}", "a name of small letters, digits and underscores"),
]
"""Of PostgreSQL: it needs no quotes there."""

MemorySize = Annotated[str, text_like(r"[1-9][0-9]*[KMGT]?", "a size like 512M")]

MailAddress = Annotated[str, text_like(r"([^\s'\"#:\\]+@[^\s'\"#:\\]+)?", "an e-mail address")]
"""Or empty: none."""


PostgresSize = Annotated[str, text_like(r"[1-9][0-9]*(kB|MB|GB)", "a size like 512MB")]

DnsName = Annotated[
    str,
    text_like(
        r"(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
        "a DNS name like api.example.com",
        "api.example.com",
    ),
]

Replaceable = Annotated[Literal["nginx", "haproxy", "keepalived"], Meta(examples=["nginx"])]

ServiceAddress = Annotated[
    str, text_like(r"(https?://[^\s/]\S*)?", "an address like http://10.0.0.11")
]


BinarySource = Annotated[str, text_like(r"[^\x00-\x1f]+", "a path or a URL")]

Sha256 = Annotated[
    str, text_like(r"[0-9a-f]{64}", "the 64 hex digits that `sha256sum BINARY` prints")
]

FolderName = Annotated[str, text_like(r"[^\x00-\x1f]+", "a folder")]

AcmeDirectory = Annotated[
    str, text_like(r"https://[^\s'\"\\/]+/[^\s'\"\\]*", "a URL like https://HOST/directory")
]

MailServer = Annotated[
    str, text_like(r"([A-Za-z0-9.-]+:[0-9]{1,5})?", "HOST:PORT, like mail.example.com:587")
]

MailLogin = Annotated[str, text_like(r"[^\s'\"\\]*", "a user's name")]

BareUrl = Annotated[
    str, text_like(r"https?://[^\s'\"\\]+[^\s'\"\\/]", "a URL without a final slash")
]
