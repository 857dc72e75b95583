"""Whether a host is healthy: the checks of `fab status`, which a deploy also runs at its end.

Each subject is a module with a function `SUBJECT_checks(settings, node)`. To add a subject, write
the module and add its function to SUBJECTS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..engine.host import Node
from ..engine.problem import HealthCheck
from ..settings.settings import Settings
from . import alerts, certificate, database, disks, logs, recent, units

SUBJECTS: tuple[Callable[[Settings, Node], Sequence[HealthCheck]], ...] = (
    units.unit_checks,
    database.database_checks,
    disks.disk_checks,
    logs.log_checks,
    certificate.certificate_checks,
    alerts.alert_checks,
    recent.recent_checks,
)


def health_checks(settings: Settings, node: Node) -> list[HealthCheck]:
    """Return every check for `node`, by its roles."""
    return [check for subject in SUBJECTS for check in subject(settings, node)]
