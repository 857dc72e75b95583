"""What every host has before it gets a role."""

from __future__ import annotations

from ..engine.step import Step
from ..settings.paths import SETTINGS, TOOLS
from ..steps.file import Directory


def base_steps() -> list[Step]:
    """The folders of the runbook on the host."""
    return [
        Directory("/var/lib/runbook", mode=0o755),
        Directory("/var/log/runbook", mode=0o750),
        Directory(TOOLS),
        Directory(SETTINGS),
    ]
