"""Names and places on the hosts that more than one room needs."""

from __future__ import annotations

from .settings import Settings

ROOT = "/srv/app"
"""Releases lie in `<ROOT>/releases/<id>`; `<ROOT>/current` points to the one that runs."""


def app_unit(settings: Settings) -> str:
    """The app's systemd unit."""
    return f"{settings.app.user}.service"


def binary_name(settings: Settings) -> str:
    """The binary's file name in a release."""
    return settings.app.user


TOOLS = "/usr/lib/runbook"
"""Where our small host-side scripts live."""

SETTINGS = "/etc/runbook"
"""Where configuration of ours lives that belongs to no package."""

CURL = "curl -q --noproxy "
"""Followed by the host that is asked: no .curlrc (so -q comes first), and no proxy, whatever the
environment names."""

PROVEN = "proven.json"
"""In a release's folder: when and how it was proven there."""

OURS = "Written by the runbook"
"""Heads our configuration files."""
