"""The error of a drill that cannot run."""

from __future__ import annotations

from ..engine.errors import RunbookError


class NotPossible(RunbookError):
    """This drill cannot run here; `seen` gives the reason. It counts as not tried."""
