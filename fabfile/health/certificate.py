"""The certificate that an edge serves: how many days it lasts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from ..engine.host import Node
from ..engine.problem import HealthCheck, Problem
from ..engine.shell import Reading
from ..settings.bounds import certificate_warn_days
from ..settings.settings import Settings
from ..steps.cert import served_certificate_command

INCIDENT = "certificate"


def certificate_checks(settings: Settings, node: Node) -> Sequence[HealthCheck]:
    """Return a check for an edge."""
    if "edge" not in node.roles:
        return []
    name = settings.tls.names[0] if settings.tls.names else ""
    probe = served_certificate_command(
        node.address, settings.edge.https_port, name, "-noout -enddate"
    )
    judge = partial(judge_certificate, warn_days=certificate_warn_days(settings))
    return [HealthCheck("certificate", f"{probe}; true", judge, read_days)]


def read_days(reading: Reading) -> dict[str, str]:
    """Return the days left as the fact `certificate`; nothing if no certificate is served."""
    _, _, text = reading.out.strip().partition("notAfter=")
    try:
        end = datetime.strptime(text, "%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)
    except ValueError:
        return {}
    return {"certificate": str((end - datetime.now(UTC)).days)}


def judge_certificate(reading: Reading, warn_days: int) -> list[Problem]:
    """Return what is wrong with it; less than `warn_days` to its end is. Pure, apart from the date
    of today."""
    days = read_days(reading).get("certificate")
    if days is None:
        message = "no certificate is served by https"
        return [Problem(message, "inv certs.status", cause=False, incident=INCIDENT)]
    if int(days) < 0:
        return [Problem("the certificate has expired", "inv certs.renew", incident=INCIDENT)]
    if int(days) < warn_days:
        message = f"the certificate ends in {days} days and was not renewed"
        return [Problem(message, "inv certs.renew", down=False, incident=INCIDENT)]
    return []
