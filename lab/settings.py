"""Checks of the options of `lab.up`."""

from __future__ import annotations

from typing import TypedDict

from .errors import LabError


class LabSettings(TypedDict):
    """Checked options; None keeps the lab's setting."""

    deaths: str | None
    scale: float | None


def check_settings(deaths: str, scale: str) -> LabSettings:
    """Check the options; one that was not given becomes None.

    Raises:
        LabError: the stand-in does not understand a value.
    """
    if deaths not in ("", "real", "off") and not (_parse_number(deaths) or 0) > 0:
        raise LabError(
            f"--deaths {deaths!r} is not a valid setting",
            "it must be real, off, or a mean time in seconds",
            "for example: inv lab.up --deaths off",
        )
    if scale and not 0 < (_parse_number(scale) or 0) <= 10:
        raise LabError(
            f"--scale {scale!r} is not a factor between 0 and 10",
            "it multiplies the row counts of the seed data (5 million sessions at 1.0)",
            "for example: inv lab.up --scale 0.01",
        )
    return {"deaths": deaths or None, "scale": _parse_number(scale) if scale else None}


def _parse_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
