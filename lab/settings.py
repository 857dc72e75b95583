"""Checks of what `lab.up` was given."""

from __future__ import annotations

from typing import TypedDict

from .errors import LabError


class Settings(TypedDict):
    deaths: str | None
    scale: float | None


def checked(deaths: str, scale: str) -> Settings:
    """The settings as values; what was not given is None.

    Raises:
        LabError: one is not what the stand-in understands.
    """
    if deaths not in ("", "real", "off") and not (_number(deaths) or 0) > 0:
        raise LabError(
            f"--deaths {deaths!r} is not a way to die.",
            "The stand-in knows: real, off, or a mean time in seconds.",
            "For example: inv lab.up --deaths off",
        )
    if scale and not 0 < (_number(scale) or 0) <= 10:
        raise LabError(
            f"--scale {scale!r} is not a factor between 0 and 10.",
            "It multiplies the row counts of the seed data (5 million sessions at 1.0).",
            "For example: inv lab.up --scale 0.01",
        )
    return {"deaths": deaths or None, "scale": _number(scale) if scale else None}


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
