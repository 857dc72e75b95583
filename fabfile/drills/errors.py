"""Why a drill was not made."""

from __future__ import annotations

from ..engine.errors import RunbookError


class NotPossible(RunbookError):
    """This drill cannot be made here; `seen` says why. It counts as not tried."""
