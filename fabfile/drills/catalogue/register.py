"""All drills, in the order in which `fab drill.all` runs them."""

from __future__ import annotations

from .app import APP_DRILLS
from .service import SERVICE_DRILLS

DRILLS = (*APP_DRILLS, *SERVICE_DRILLS)

FOR_CHECK = ("app-killed", "app-hung", "app-500")
"""The drills that `fab check` runs for R1 and R2."""

BY_NAME = {drill.name: drill for drill in DRILLS}
