"""What every host has before it gets a role."""

from __future__ import annotations

from ..engine.step import Step
from ..steps.file import Directory

TOOLS = "/usr/lib/runbook"
"""Where our small host-side scripts live."""

SETTINGS = "/etc/runbook"
"""Where configuration of ours lives that belongs to no package."""


CURL = "curl -q --noproxy "
"""Followed by the host that is asked: no .curlrc (so -q comes first), and no proxy, whatever the environment names."""


def base_steps() -> list[Step]:
    """The folders of the runbook on the host."""
    return [
        Directory("/var/lib/runbook", mode=0o755),
        Directory("/var/log/runbook", mode=0o750),
        Directory(TOOLS),
        Directory(SETTINGS),
    ]
