"""A small service file with everything in it, for tests that change one thing of it."""

from __future__ import annotations

import tomllib
from pathlib import Path

from msgspec import convert

from fabfile.settings.service import Service

SHOP = """
format = 1
title = "Shop"
[program]
name = "shop"
[secret]
token = {}
[setting.city]
default = "Rome"
[start]
command = ["-c", "{{ file.main }}"]
[[file]]
name = "main"
path = "/etc/shop.conf"
template = "shop.conf"
[health]
live = { path = "/version" }
database = { path = "/ready" }
[database]
connections = 20
[database.seed]
sql = "seed.sql"
[load]
peak = 100
[value]
item = { from = 1, to = 9 }
own = { created_by = "item_new", greater_than_max_of = "item" }
word = { text = "w-{uuid}" }
[[endpoint]]
name = "version"
path = "/version"
[[endpoint]]
name = "item_new"
method = "POST"
path = "/items"
database = true
expect = { status = [201], contains = "{word}" }
sample = { body = '{"name": "{word}", "tags": {}}', weight = 1 }
[[endpoint]]
name = "item"
path = "/items/{item}"
database = true
sample = { weight = 5 }
[[endpoint]]
name = "word"
path = "/words/{word}"
"""
TEMPLATE = "url = {{ database.url }}\ncity = {{ setting.city }}\n"


def write_shop(folder: Path) -> Path:
    """Write its service folder, which is right."""
    (folder / "service.toml").write_text(SHOP)
    (folder / "shop.conf").write_text(TEMPLATE)
    (folder / "seed.sql").write_text("SELECT 1;\n")
    return folder


def changed(old: str, new: str) -> str:
    assert old in SHOP
    return SHOP.replace(old, new, 1)


def make(text: str) -> Service:
    return convert(tomllib.loads(text), Service)


def added(text: str) -> tuple[str, str]:
    """A change that appends to the endpoints."""
    mark = '[[endpoint]]\nname = "word"'
    return mark, f"{text}\n{mark}"
