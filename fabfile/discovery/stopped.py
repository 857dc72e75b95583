"""The error with which a discovery ends that needs a person."""

from __future__ import annotations

from collections.abc import Sequence

from ..engine.errors import RunbookError
from .model import Hints, TrailRow


class Stopped(RunbookError):
    """Discovery ended without a serving program; `trail` has its attempts, `hints` what was learned
    all the same."""

    def __init__(self, error: RunbookError, trail: Sequence[TrailRow], hints: Hints) -> None:
        super().__init__(error.problem, error.why, error.next, error.code)
        self.trail = tuple(trail)
        self.hints = hints
