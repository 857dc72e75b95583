"""The steps that every host gets before its roles."""

from __future__ import annotations

from ..engine.step import Step
from ..settings.paths import SETTINGS, TOOLS
from ..steps.file import Directory


def base_steps() -> list[Step]:
    """The runbook's folders on the host."""
    return [
        Directory("/var/lib/runbook", mode=0o755),
        Directory("/var/log/runbook", mode=0o750),
        Directory(TOOLS),
        Directory(SETTINGS),
    ]
