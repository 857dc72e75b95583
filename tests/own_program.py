"""The program of a stranger, which tests describe, deploy and check: `tests/hello`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from places import PROJECT

SERVER = PROJECT / "tests/hello"

ENDPOINTS = """\
[value]
thing = { from = 1, to = 9999 }

[[endpoint]]
name = "thing"
path = "/things/{thing}"
gate = true
never_cached = true
expect = { contains = '"thing":{thing}}' }
sample = { weight = 9 }

[[endpoint]]
name = "home"
"""
CHANGES = (
    ('memory_max = "512M"', 'memory_max = "64M"'),
    ("peak = 120", "peak = 60"),
    ("steady = 60", "steady = 30"),
    ('[[endpoint]]\nname = "home"\n', ENDPOINTS),
    ("expect = { status = [200] }", 'expect = { contains = "hello, " }'),
)
"""What a person changes in the skeleton: old text, new text."""


def fill_in(skeleton: str) -> str:
    """The service file that a person makes of the skeleton of `tests/hello`."""
    for old, new in CHANGES:
        assert skeleton.count(old) == 1, (old, skeleton)
        skeleton = skeleton.replace(old, new)
    return skeleton


def describe_site(addresses: Mapping[str, str], ssh: Path, sha256: str, service: str = "") -> str:
    """A site file of `tests/hello`, with no database: the binary lies beside it.

    `ssh` is a folder with the key and the pins of the hosts.
    """
    hosts = "".join(
        f'[hosts.{name}]\naddress = "{address}"\n'
        f'roles = ["{"edge" if name.startswith("edge") else "app"}"]\n'
        for name, address in addresses.items()
    )
    named = f'service = "{service}"\n' if service else ""
    return (
        f'name = "own-program"\n[ssh]\nuser = "ops"\nkey = "{ssh}/id_ed25519"\n'
        f'known_hosts = "{ssh}/known_hosts"\n{hosts}'
        f'[app]\nbinary = "hello"\nsha256 = "{sha256}"\n{named}'
        '[tls]\nnames = ["hello.lab"]\n'
    )
