"""Names and places on the hosts that more than one room needs."""

from __future__ import annotations

from .settings import Settings

ROOT = "/srv/app"
"""Releases lie in `<ROOT>/releases/<id>`; `<ROOT>/current` points to the one that runs."""


def app_unit(settings: Settings) -> str:
    """The app's systemd unit."""
    return f"{settings.program.name}.service"


def binary_name(settings: Settings) -> str:
    """The binary's file name in a release."""
    return settings.program.name


DATABASE_PORT = 5432
"""The port of Debian's first PostgreSQL cluster. It is also in the name of the unix socket through
which the controller connects (engine/postgres.py)."""

TOOLS = "/usr/lib/runbook"
"""The folder of our scripts on a host."""

SETTINGS = "/etc/runbook"
"""The folder of our configuration that belongs to no package."""

CURL = "curl -q --noproxy "
"""The beginning of a curl command; the host follows. `-q` ignores .curlrc and must come first.
`--noproxy` ignores a proxy that the environment names."""

PROVEN = "proven.json"
"""In a release's folder: when and how it was proven there."""

OURS = "Written by the runbook"
"""Heads our configuration files."""
