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

NetworkSource = Annotated[
    str, text_like(r"[0-9.]+(/[0-9]+)?", "an IPv4 address or network like 10.0.0.0/24", "10.0.0.5")
]

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


Word = Annotated[
    str, text_like(r"[a-z][a-z0-9_]{0,40}", "a word of small letters, digits and underscores")
]

Line = Annotated[str, text_like(r"[^\x00-\x1f\x7f]+", "one line of text")]

OptionalLine = Annotated[str, text_like(r"[^\x00-\x1f\x7f]*", "one line of text")]

OptionalUser = Annotated[
    str,
    text_like(
        r"([a-z_][a-z0-9_-]{0,30})?", "a name of small letters, digits, dashes and underscores"
    ),
]

Package = Annotated[
    str, text_like(r"[a-z0-9][a-z0-9+.-]+", "a name of a Debian package", "ca-certificates")
]

EnvironmentName = Annotated[
    str, text_like(r"[A-Za-z_][A-Za-z0-9_]*", "a name of letters, digits and underscores")
]

HostPath = Annotated[str, text_like(r"/[A-Za-z0-9._@+/-]*", "a path like /etc/shop/shop.conf")]

OptionalHostPath = Annotated[
    str, text_like(r"(/[A-Za-z0-9._@+/-]*)?", "a path like /etc/shop/shop.conf")
]

_BESIDE = r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*"

FileBeside = Annotated[str, text_like(_BESIDE, "a file beside service.toml")]

OptionalFileBeside = Annotated[str, text_like(rf"({_BESIDE})?", "a file beside service.toml")]

AddressFamily = Annotated[str, text_like(r"AF_[A-Z0-9_]+", "a family like AF_UNIX", "AF_UNIX")]

TableName = Annotated[
    str,
    text_like(
        r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?", "a table like items or shop.items", "items"
    ),
]

Extension = Annotated[str, text_like(r"[a-z_][a-z0-9_-]{0,62}", "a name like hstore", "hstore")]

IndexStatement = Annotated[
    str, text_like(r"CREATE (UNIQUE )?INDEX [^\x00-\x1f;]+", "a CREATE INDEX statement in one line")
]

Method = Annotated[str, text_like(r"[A-Z]+", "a method like GET")]

OptionalMethod = Annotated[str, text_like(r"[A-Z]*", "a method like GET")]

EndpointMethod = Annotated[str, text_like(r"[A-Z]+|\*", "a method like GET, or *")]

UrlPath = Annotated[str, text_like(r"/[^\s\"'\\\x00-\x1f]*", "a path like /health")]

EndpointPath = Annotated[
    str, text_like(r"/[A-Za-z0-9._~:@%+,;=!/{}-]*", "a path like /api/items/{item}")
]

HeaderName = Annotated[str, text_like(r"[A-Za-z0-9_-]+", "a name of a header", "X-Auth-Token")]

Status = Annotated[int, Meta(ge=100, le=599, examples=[200])]

BodySize = Annotated[str, text_like(r"[1-9][0-9]*[kKmMgG]?", "a size like 64k")]

OptionalBodySize = Annotated[str, text_like(r"([1-9][0-9]*[kKmMgG]?)?", "a size like 64k")]

RetryWords = Annotated[
    str,
    text_like(
        r"((connect|lost)( [1-5][0-9][0-9])*)?",
        "connect or lost, then statuses, like `lost 500 502`",
    ),
]

Requirement = Annotated[str, text_like(r"(R[0-9]+)?", "a requirement like R4")]

Count = Annotated[int, Meta(ge=0)]

Positive = Annotated[int, Meta(ge=1)]

Percent = Annotated[float, Meta(ge=0, le=100)]

Share = Annotated[float, Meta(ge=0, le=1)]

Duration = Annotated[int, Meta(ge=1, le=86400)]
"""Seconds."""
