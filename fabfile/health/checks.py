"""Whether a host is well: the questions that `fab status` asks, and that a deploy asks before it
ends.

One module a subject, each with `SUBJECT_checks(settings, node)`; a new subject is one module and
one name in SUBJECTS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..engine.host import Node
from ..engine.problem import HealthCheck
from ..settings.settings import Settings
from . import database, disks, logs, units

SUBJECTS: tuple[Callable[[Settings, Node], Sequence[HealthCheck]], ...] = (
    units.unit_checks,
    database.database_checks,
    disks.disk_checks,
    logs.log_checks,
)


def health_checks(settings: Settings, node: Node) -> list[HealthCheck]:
    """Every question for `node`, by its roles."""
    return [check for subject in SUBJECTS for check in subject(settings, node)]
